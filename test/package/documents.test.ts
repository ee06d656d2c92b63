/** Every block of README.md and of the pages does what its page says: run from the installed tarball. */
import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { standIn } from "../support/buffers.ts";
import { type Block, blocksOf, filledIn } from "./blocks.ts";
import { projectFolder, start, userEnvironment } from "./site.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The reference is made of signatures. */
const names = ["README.md", "SECURITY.md", "deploy/README.md", "docs"]
  .flatMap((path) =>
    path.endsWith(".md")
      ? [path]
      : readdirSync(join(root, path), { recursive: true, encoding: "utf8" }).map((name) => join(path, name)),
  )
  .filter((path) => path.endsWith(".md") && !path.startsWith(join("docs", "reference")));

/** How a block of a language is run, and how only its syntax is checked. */
const languages: Record<string, { file: string; run?: [string, ...string[]]; check?: [string, ...string[]] }> = {
  ts: { file: "block.ts", run: ["node"] },
  js: { file: "block.js", run: ["node"], check: ["node", "--check"] },
  cjs: { file: "block.cjs", run: ["node"], check: ["node", "--check"] },
  sh: { file: "block.sh", run: ["bash", "-eo", "pipefail"], check: ["bash", "-n"] },
  python: { file: "block.py", check: ["python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"] },
  json: { file: "block.json" },
};

const isOurProgram = ({ language, code }: Block): boolean =>
  ["ts", "js", "cjs"].includes(language) && code.includes("langfuse-span-buffer");

const pages = names
  .map((name) => [name, blocksOf(name, readFileSync(join(root, name), "utf8"))] as const)
  .map(([name, blocks]) => [name, blocks.filter(({ language }) => language !== "")] as const)
  .filter(([, blocks]) => blocks.length > 0);

describe.each(pages)("%s", (page, blocks) => {
  const files: Record<string, string> = {};
  for (const { mark, code } of blocks) if (mark.kind === "file") files[mark.name] = code;

  test.each(blocks.map((block) => [`line ${block.line}: ${block.language}, ${block.mark.kind}`, block] as const))(
    "%s",
    async (_title, block) => {
      const { mark, code, language } = block;
      const how = languages[language];
      if (how === undefined) throw new Error(`no way to check a block of ${language}`);
      if (language === "json") {
        JSON.parse(code);
        return;
      }
      checkScripts(code, language);
      if (mark.kind === "fragment" || how.run === undefined) {
        await checkSyntax(block);
        await checkCommands(block);
        return;
      }
      if (mark.kind === "file") return;

      const server = await standIn();
      const filled = Object.entries({ ...files, [how.file]: code }).map(([name, text]) => [
        name,
        filledIn(text, server.url),
      ]);
      const folder = projectFolder(Object.fromEntries(filled) as Record<string, string>);
      const [command, ...args] = how.run;
      const program = start(command, [...args, how.file], folder, userEnvironment(server.url));
      if (mark.kind === "service") {
        await program.says(/listening (?:on|at) http:\/\/\S+/);
        await program.stop();
        return;
      }
      const { code: exitCode, stdout, stderr } = await program.finished;
      // Tools of others talk on stderr.
      expect([exitCode, language === "sh" ? "" : stderr], `${page}:${block.line}\n${stdout}${stderr}`).toEqual([0, ""]);
      if (isOurProgram(block)) expect(server.account().spans, stdout).toBeGreaterThan(0);
    },
  );
});

test("the types of every program are right", async () => {
  const programs = pages
    .flatMap(([, blocks]) => blocks)
    .filter(({ language, mark }) => language === "ts" && mark.kind !== "fragment");
  expect(programs.length).toBeGreaterThan(8);
  const options = {
    strict: true,
    noEmit: true,
    module: "nodenext",
    target: "es2024",
    types: ["node"],
    skipLibCheck: true,
  };
  const files = Object.fromEntries(
    programs.map(({ page, line, code }) => [`${page.replaceAll(/\W/g, "-")}-${line}.ts`, `${code}\nexport {};\n`]),
  );
  const folder = projectFolder({ ...files, "tsconfig.json": JSON.stringify({ compilerOptions: options }) });
  const { code, stdout } = await start("tsc", [], folder, userEnvironment("")).finished;
  expect([code, stdout]).toEqual([0, ""]);
});

test("pages have been read", () => {
  expect(pages.map(([name]) => name)).toEqual(
    expect.arrayContaining(["README.md", "docs/embed.md", "docs/sidecar.md"]),
  );
});

async function checkSyntax({ language, code, page, line }: Block): Promise<void> {
  if (language === "ts") {
    // Throws for what is no TypeScript; a fragment may await.
    stripTypeScriptTypes(`async () => {\n${code.replaceAll(/^import .*$/gm, "")}\n}`, { mode: "transform" });
    return;
  }
  const { file, check } = languages[language] ?? {};
  if (file === undefined || check === undefined) throw new Error(`no way to check a block of ${language}`);
  const [command, ...args] = check;
  const folder = projectFolder({ [file]: code });
  const { code: exitCode, stderr } = await start(command, [...args, file], folder, userEnvironment("")).finished;
  expect([exitCode, stderr], `${page}:${line}`).toEqual([0, ""]);
}

/** A command of this repository's that a page names must be there, also where nobody runs it. */
function checkScripts(code: string, language: string): void {
  if (language !== "sh") return;
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
  for (const [, name = ""] of code.matchAll(/\bnpm run ([\w:-]+)/g)) expect(Object.keys(scripts)).toContain(name);
}

/** Our own commands and flags in a fragment must be those of the program's help. */
async function checkCommands({ language, code, page, line }: Block): Promise<void> {
  if (language !== "sh") return;
  for (const [, words = "", rest = ""] of code.matchAll(/\bspan-buffer((?: [a-z][a-z-]*)+)([^#|&;)\n]*)/g)) {
    const [command = "", ...subcommand] = words.trim().split(" ");
    const args = ["span-buffer", command, ...subcommand, "--help"];
    const { stdout: help } = await start("npx", args, projectFolder(), userEnvironment("")).finished;
    expect(help, `${page}:${line}`).toContain(`Usage: span-buffer ${command}`);
    for (const [flag] of rest.matchAll(/--[a-z-]+/g)) expect(help, `${page}:${line}`).toContain(flag);
  }
}
