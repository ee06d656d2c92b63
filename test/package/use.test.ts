/** The installed package, used in the ways that there are. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, inject, test } from "vitest";
import { standIn } from "../support/buffers.ts";
import { type Finished, projectFolder, start, userEnvironment } from "./site.ts";

/** Runs a program of one file. */
async function run(name: string, text: string, url: string, nodeOptions: readonly string[] = []): Promise<Finished> {
  const folder = projectFolder({ [name]: text });
  return await start(process.execPath, [...nodeOptions, name], folder, userEnvironment(url)).finished;
}

const program = `
const buffer = new SpanBuffer();
buffer.startSpan("used").end();
buffer.shutdown().then(({ acknowledged }) => console.log(acknowledged));
`;

test.each([
  ["import", "program.mjs", 'import { SpanBuffer } from "langfuse-span-buffer";'],
  ["require", "program.cjs", 'const { SpanBuffer } = require("langfuse-span-buffer");'],
  ["import() in CommonJS", "program.cjs", 'import("langfuse-span-buffer").then(({ SpanBuffer }) => {'],
])("%s: a span arrives", async (way, name, first) => {
  const server = await standIn();
  const text = `${first}${program}${way.startsWith("import()") ? "});" : ""}`;
  expect(await run(name, text, server.url)).toEqual({ code: 0, stdout: "1\n", stderr: "" });
  expect(server.account().spans).toBe(1);
});

test("the types are there for import and for require", async () => {
  const use = "const buffer: SpanBuffer = new SpanBuffer({ batchSize: 1 });\nbuffer.startSpan('typed').end();\n";
  const folder = projectFolder({
    "module.mts": `import { SpanBuffer } from "langfuse-span-buffer";\n${use}`,
    "common.cts": `import { SpanBuffer } from "langfuse-span-buffer";\n${use}`,
    "wrong.mts": 'import { SpanBuffer } from "langfuse-span-buffer";\nnew SpanBuffer({ batchSize: "1" });\n',
  });
  const args = ["node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--module", "nodenext", "--types", "node"];
  const files = ["module.mts", "common.cts", "wrong.mts"];
  const { stdout } = await start(process.execPath, [...args, ...files], folder, userEnvironment("")).finished;
  expect(stdout.match(/^\S+\.[mc]ts/gm)?.map((place) => place.split("(")[0])).toEqual(["wrong.mts"]);
});

describe("on a Node that is too old, one line that says so", () => {
  const old = 'Object.defineProperty(process.versions, "node", { value: "20.20.2" });';

  test.each([
    ["import", `await import("langfuse-span-buffer");`],
    ["require", `import { createRequire } from "node:module"; createRequire(import.meta.url)("langfuse-span-buffer");`],
  ])("%s", async (_way, use) => {
    const { code, stderr } = await run("program.mjs", `${old}\n${use}`, "");
    expect(code).toBe(1);
    expect(stderr).toContain("needs Node 22.18 or newer, this is Node 20.20.2");
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("the command", async () => {
    const main = join(inject("site"), "node_modules/langfuse-span-buffer/dist/cli/main.js");
    const { code, stderr } = await run("program.mjs", `${old}\nawait import(${JSON.stringify(main)});`, "");
    expect([code, stderr.trim().split("\n").length]).toEqual([1, 1]);
    expect(stderr).toContain("needs Node 22.18");
  });
});

test("the command shows its help", async () => {
  const { stdout } = await start("npx", ["span-buffer", "--help"], projectFolder(), userEnvironment("")).finished;
  expect(stdout).toContain("stand-in");
});

test("the package has what it should, and nothing of the repository besides", () => {
  const installed = join(inject("site"), "node_modules", "langfuse-span-buffer");
  const folders = ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "deploy", "dist", "docs", "package.json"];
  expect(readdirSync(installed).toSorted()).toEqual(folders.toSorted());
  const files = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([]);
  const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    exports: Record<string, string | { types: string; default: string }>;
  };
  for (const entry of Object.values(exports)) {
    for (const file of typeof entry === "string" ? [entry] : [entry.types, entry.default]) {
      expect(existsSync(join(installed, file)), file).toBe(true);
    }
  }
});
