// Builds `dist` from the sources: the same bytes every time. `--into FOLDER` builds elsewhere.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const into = process.argv.indexOf("--into");
const dist = into === -1 ? join(here, "dist") : resolve(process.argv[into + 1] ?? "");

/** What all files together may have, compressed, in bytes. */
const MOST = 60 * 1024;

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: [
    { in: "src/main.tsx", out: "app" },
    { in: "src/style.css", out: "app" },
  ],
  outdir: "/assets",
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".yaml": "text" },
  charset: "utf8",
  legalComments: "none",
  write: false,
});

const files = new Map(outputFiles.map(({ path, contents }) => [`assets/${basename(path)}`, Buffer.from(contents)]));
const asset = (ending) => `/${[...files.keys()].find((name) => name.endsWith(ending))}`;
const page = readFileSync(join(here, "index.html"), "utf8")
  .replace("{{style}}", asset(".css"))
  .replace("{{script}}", asset(".js"));
files.set("index.html", Buffer.from(page));

rmSync(dist, { recursive: true, force: true });
mkdirSync(join(dist, "assets"), { recursive: true });
let all = 0;
for (const [name, bytes] of files) {
  writeFileSync(join(dist, name), bytes);
  const packed = brotliCompressSync(bytes).length;
  all += packed;
  process.stdout.write(`${name}: ${bytes.length} bytes, ${packed} compressed\n`);
}
process.stdout.write(`together ${all} bytes compressed\n`);
if (all > MOST) {
  throw new Error(`more than the ${MOST} bytes that the console may have`);
}
