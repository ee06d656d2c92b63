/** `completion`: what each shell offers is what the program has. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bashScript } from "../../src/cli/completion/bash.ts";
import { type CompletedCommand, commandTree } from "../../src/cli/completion/command-tree.ts";
import { fishScript } from "../../src/cli/completion/fish.ts";
import { zshScript } from "../../src/cli/completion/zsh.ts";
import { spanBufferCommand } from "../../src/cli/program.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const tree = commandTree(spanBufferCommand());

/** A command of two levels, with everything that a command may have. */
const nested: CompletedCommand[] = [
  {
    path: [],
    description: "",
    subcommands: [{ name: "letters", description: "it's: odd" }],
    flags: [],
    argument: undefined,
  },
  {
    path: ["letters"],
    description: "",
    subcommands: [{ name: "list", description: "" }],
    flags: [],
    argument: undefined,
  },
  {
    path: ["letters", "list"],
    description: "",
    subcommands: [],
    flags: [
      { names: ["--sort"], description: "by", value: { kind: "choices", choices: ["age", "bytes"] } },
      { names: ["--output", "-o"], description: "to", value: { kind: "file" } },
    ],
    argument: { kind: "directory" },
  },
];

function has(shell: string): boolean {
  return spawnSync(shell, ["--version"]).status === 0;
}

/** What bash offers behind these words. */
function offered(script: string, words: readonly string[]): string[] {
  const file = join(temporaryDirectory(), "completion.bash");
  writeFileSync(file, script);
  const ask = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _span_buffer; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", ask, "bash", file, "span-buffer", ...words]);
  expect(stderr.toString()).toBe("");
  return stdout
    .toString()
    .split("\n")
    .filter((word) => word !== "");
}

describe.skipIf(!has("bash"))("bash (skipped on a machine without it)", () => {
  const script = bashScript("span-buffer", tree);

  test("commands and flags of each command, as the program has them", () => {
    for (const { path, subcommands, flags, argument } of tree) {
      const expected = [
        ...(argument?.kind === "choices" ? argument.choices : []),
        ...subcommands.map(({ name }) => name),
        ...flags.flatMap(({ names }) => names),
      ];
      const words = offered(script, [...path, ""]);
      // Beside them the files that are there.
      if (argument?.kind === "file") expect(words).toEqual(expect.arrayContaining(expected));
      else expect(words).toEqual(expected);
    }
    expect(offered(script, ["do"])).toEqual(["doctor"]);
    expect(offered(script, ["status", "--w"])).toEqual(["--watch"]);
  });

  test("values: choices, folders, and nothing where anything may stand", () => {
    expect(offered(script, ["stand-in", "--generation", ""])).toEqual(["otlp", "ingestion"]);
    expect(offered(script, ["serve", "--durability", ""])).toEqual(["journal", "strict", "overflow"]);
    expect(offered(script, ["completion", ""])).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
    expect(offered(script, ["doctor", "--directory", "/us"])).toEqual(["/usr"]);
    expect(offered(script, ["doctor", "--timeout", ""])).toEqual([]);
  });

  test("commands within commands", () => {
    const inner = bashScript("span-buffer", nested);
    expect(offered(inner, ["letters", ""])).toEqual(["list"]);
    expect(offered(inner, ["letters", "list", "--sort", "b"])).toEqual(["bytes"]);
    expect(offered(inner, ["letters", "list", "-o", "/etc/host"])).toContain("/etc/hosts");
    expect(offered(inner, ["letters", "list", "/us"])).toEqual(["/usr"]);
  });
});

describe("zsh and fish", () => {
  test("every command, flag and choice is in the script", () => {
    const zsh = zshScript("span-buffer", tree);
    const fish = fishScript("span-buffer", tree);
    for (const { path, flags } of tree) {
      const name = path.at(-1);
      if (name !== undefined) {
        expect(zsh).toContain(`'${name}:`);
        expect(fish).toContain(` -a ${name} -d `);
      }
      for (const { names, value } of flags) {
        for (const flag of names) {
          expect(zsh).toContain(`'${flag}:`);
          expect(fish).toContain(flag.startsWith("--") ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`);
        }
        if (value?.kind === "choices") {
          expect(zsh).toContain(`compadd -- ${value.choices.join(" ")}`);
          expect(fish).toContain(`-a '${value.choices.join(" ")}'`);
        }
      }
    }
  });

  test("quotes and colons of a description end nothing", () => {
    expect(zshScript("span-buffer", nested)).toContain(String.raw`'letters:it'\''s\: odd'`);
    expect(fishScript("span-buffer", nested)).toContain(String.raw`-d 'it\'s: odd'`);
  });

  for (const [shell, scriptOf] of [
    ["zsh", zshScript],
    ["fish", fishScript],
  ] as const) {
    test.skipIf(!has(shell))(`${shell} itself reads it (skipped on a machine without it)`, () => {
      const script = join(temporaryDirectory(), "completion");
      writeFileSync(script, scriptOf("span-buffer", tree));
      expect(spawnSync(shell, ["-n", script]).stderr.toString()).toBe("");
    });
  }
});

/** What fish offers at the end of this line, without the descriptions. */
function offeredByFish(tree: readonly CompletedCommand[], line: string): string[] {
  const script = join(temporaryDirectory(), "completion.fish");
  writeFileSync(script, fishScript("span-buffer", tree));
  const { stdout, stderr } = spawnSync("fish", ["-c", 'source $argv[1]; complete -C"$argv[2]"', script, line]);
  expect(stderr.toString()).toBe("");
  const words = stdout.toString().split("\n");
  return words.map((word) => word.split("\t")[0] as string).filter((word) => word !== "");
}

test.skipIf(!has("fish"))(
  "fish offers what the program has, and files only where one may stand (skipped without it)",
  () => {
    const offers = (line: string): string[] => offeredByFish(tree, `span-buffer ${line}`);
    expect(offers("do")).toEqual(["doctor"]);
    expect(offers("dead-letters ")).toEqual(["list", "remove", "retry", "show"]);
    expect(offers("status --w")).toEqual(["--watch"]);
    expect(offers("list --sort ")).toEqual(["age", "bytes", "name", "spans"]);
    expect(offers("serve --durability ")).toEqual(["journal", "overflow", "strict"]);
    expect(offers("doctor --timeout ")).toEqual([]);
    expect(offers("doctor --directory /us")).toEqual(["/usr/"]);
    expect(offers("import /etc/host")).toContain("/etc/hosts");
    expect(offeredByFish(nested, "span-buffer letters list -o /etc/host")).toContain("/etc/hosts");
  },
);

test("the command prints the script; another shell is refused with those that there are", async () => {
  const { code, stdout } = await startProgram("../../src/cli/main.ts", ["completion", "bash"]).ended;
  expect([code, stdout]).toEqual([0, bashScript("span-buffer", tree)]);
  const other = await startProgram("../../src/cli/main.ts", ["completion", "tcsh"]).ended;
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("Allowed choices are bash, zsh, fish.")]);
});
