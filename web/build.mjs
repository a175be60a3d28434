// Bundles src/ into pkg/report/html/assets/report.js, with the digest of the sources in its first line: a test of that package compares it.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

// The digest is of the names and contents of the sources, in the order of their names, and of what else decides the bundle.
const sources = [...readdirSync("src").map((name) => `src/${name}`), "build.mjs", "package-lock.json"].sort();
const digest = createHash("sha256");
for (const name of sources) {
  digest.update(`${name}\0`).update(readFileSync(name)).update("\0");
}

await build({
  entryPoints: ["src/main.ts"],
  outfile: "../pkg/report/html/assets/report.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  banner: {
    js: `/* sources sha256:${digest.digest("hex")} */\n/* The strip of figures is drawn by uPlot 1.6, https://github.com/leeoniya/uPlot, (c) Leon Sorokin, MIT License; see LICENSE.uPlot. */`,
  },
});
