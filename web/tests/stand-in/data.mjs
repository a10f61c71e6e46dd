// What the stand-in tells: events and dead letters, and what is compared.

/** A time so many seconds ago. */
export const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

export function decision(namespace, sensor, trigger, outcome, reason) {
  return { namespace, sensor, trigger, outcome, reason };
}

function event(number, storedAt, source, name, summary, decisions, more = {}) {
  return {
    number,
    storedAt,
    id: `7188f3f167d6c1e88049ded8a4${number}`,
    source,
    name,
    type: "resource",
    subject: `${source}.${name}`,
    unreadable: null,
    replay: null,
    summary,
    decisions,
    unanswered: [],
    ...more,
  };
}

export const fired = (number, at) =>
  event(number, at, "ingress-es", "ingress", "type=ADD body.metadata.name=harbour-svc body.spec.type=ClusterIP", [
    decision("playground", "ingress-sn", "ingress", "fired", ""),
    decision("playground", "ingress-sn", "log", "fired", ""),
  ]);
export const filtered = (number, at) =>
  event(number, at, "release-es", "deployment", "type=UPDATE body.metadata.name=pier body.spec.replicas=3", [
    decision("filters", "release-sn", "note", "filtered", "00:00:00 is not between 07:00:00 and 19:00:00"),
  ]);
export const dead = (number, at) =>
  event(number, at, "code-es", "push", "body.ref=refs/heads/main body.pusher.name=ada", [
    decision("github-workflow", "build-sn", "build", "dead_lettered", "422 from the API server"),
    decision("playground", "ingress-sn", "log", "fired", ""),
  ]);
export const waits = (number, at) =>
  event(number, at, "code-es", "push", "body.ref=refs/heads/next body.pusher.name=grace", [
    decision("github-workflow", "build-sn", "build", "waiting", "has push of push && approval"),
  ]);

const letter = (number, sensor, trigger, reason, error, age) => ({
  number,
  namespace: sensor === "build-sn" ? "github-workflow" : "playground",
  sensor,
  trigger,
  reason,
  error,
  attempts: 3,
  deadLetteredAt: ago(age),
  subject: `playground.${sensor}.${trigger}`,
  storedAt: ago(age + 20),
  dependencies: ["service"],
  mayBeDone: false,
  cutFrom: null,
  event: {
    id: `7188f3f167d6c1e88049ded8a4${number}`,
    source: "ingress-es",
    subject: "ingress",
    type: "resource",
    time: ago(age + 21),
  },
  action: {
    k8s: {
      operation: "create",
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        metadata: { name: "harbour-svc-ing", namespace: "playground" },
      },
    },
  },
  payload: { body: { metadata: { name: "harbour-svc" }, spec: { ports: [] } } },
});
const MISSING = "parameters[4]: body.spec.ports is an array of 0: no 0 (give a default with value:)";
const REFUSED = "Workflow build- is invalid: spec.entrypoint: Required value (422 from the API server)";
export const LETTERS = [
  ...[41, 44, 45].map((number) => letter(number, "ingress-sn", "ingress", "parameter", MISSING, 400 + number)),
  ...[42, 43].map((number) => letter(number, "build-sn", "build", "rejected", REFUSED, 90 + number)),
];

export function groups(letters) {
  const groups = new Map();
  for (const { namespace, sensor, trigger, reason, error, attempts, deadLetteredAt, number } of letters) {
    const key = error ?? `${sensor}/${trigger}/${reason}`;
    const group = groups.get(key) ?? {
      count: 0,
      namespace,
      sensor,
      trigger,
      reason,
      error,
      first: deadLetteredAt,
      last: deadLetteredAt,
      attempts,
      example: number,
    };
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

export const COMPARED = {
  events: 1000,
  changed: 137,
  text: "1000 events, 137 of them with other actions\n",
  changes: [
    {
      by: "playground/ingress-sn ingress",
      change: "changed",
      count: 130,
      event: "7188f3f167d6c1e88049ded8a41000",
      action: "update Ingress playground/harbour-svc-ing",
      instead: null,
      differences: [
        { action: null, verdict: "different", path: "spec.ingressClassName", expected: "nginx", actual: "traefik" },
      ],
    },
    {
      by: "playground/ingress-sn log",
      change: "gone",
      count: 7,
      event: "7188f3f167d6c1e88049ded8a41004",
      action: "log service",
      instead: "filtered",
      differences: [],
    },
  ],
};
