// Serves the pages over the stand-in, for a look: `node tests/look.mjs [PORT]`, started in `web`.

import { startStandIn } from "./stand-in.mjs";

const { address } = await startStandIn({ port: Number(process.argv[2] ?? 7781), rate: 1 });
process.stdout.write(`${address}\n`);
