// What the page "Try it" begins with: the first example of the documentation, as it lies there.

import bus from "../../../examples/auto-ingress/eventbus.yaml";
import source from "../../../examples/auto-ingress/ingress-es.yaml";
import sensor from "../../../examples/auto-ingress/ingress-sn.yaml";
import service from "../../../examples/auto-ingress/service.yaml";

export const EXAMPLE = {
  manifests: [source, sensor, bus].join("---\n"),
  input: service,
};
