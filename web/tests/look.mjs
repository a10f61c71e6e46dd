// Serves the pages over the stand-in, for a look: `node tests/look.mjs [PORT [cluster]]`, started in `web`.

import { startStandIn } from "./stand-in.mjs";

const { address } = await startStandIn({
  port: Number(process.argv[2] ?? 7781),
  rate: 1,
  cluster: process.argv[3] === "cluster",
});
process.stdout.write(`${address}\n`);
