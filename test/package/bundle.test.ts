/** A bundle as docs/embed.md makes it, moved to an empty folder: nothing is left of the place where it was made. */
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { standIn } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { blocksOf } from "./blocks.ts";
import { projectFolder, start, userEnvironment } from "./site.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/embed.md", import.meta.url)), "utf8");
const blocks = blocksOf("docs/embed.md", page);
const bot = blocks.find(({ mark }) => mark.kind === "file")?.code ?? "";
const lines = blocks.find(({ code }) => code.startsWith("npx esbuild"))?.code ?? "";

test.each([
  ["esm", "bot.mjs", lines],
  // As esbuild does without --format, where top-level await cannot be.
  ["cjs", "bot.cjs", lines.replaceAll("--format=esm", "--format=cjs").replaceAll("bot.mjs", "bot.cjs")],
])("%s: spans arrive, sent by %s alone", async (format, name, script) => {
  const server = await standIn();
  const program = format === "esm" ? bot : bot.replace("const {", "void (async () => {\nconst {") + "\n})();";
  const folder = projectFolder({ "bot.ts": program, "bundle.sh": script.replace(/^node out.*$/m, "") });
  const made = await start("bash", ["-euo", "pipefail", "bundle.sh"], folder, userEnvironment(server.url)).finished;
  expect(made.code, made.stderr).toBe(0);

  const elsewhere = temporaryDirectory();
  cpSync(join(folder, "out"), elsewhere, { recursive: true });
  const { code, stdout, stderr } = await start(process.execPath, [name], elsewhere, userEnvironment(server.url))
    .finished;
  expect([code, stdout, stderr]).toEqual([0, "1 delivered\n", ""]);
  expect(server.account().spans).toBe(1);
});
