/** The table of the sidecar's options in docs/options.md is the sidecar's: no row more, none less, each as it is. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bufferFlags } from "../../src/cli/serve/buffer-flags.ts";
import { serveCommand } from "../../src/cli/serve/command.ts";
import { resolveSidecarOptions, sidecarOptionTable } from "../../src/server/options.ts";

const document = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");

interface Row {
  option: string[];
  flags: string[];
  env: string[];
  byDefault: string;
}

function documentedRows(): Row[] {
  const [, section = ""] = document.split("\n## The sidecar\n");
  const lines = (section.split("\n## ", 1)[0] ?? "").split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => {
    const [, option = "", flags = "", env = "", byDefault = ""] = line.split("|").map((cell) => cell.trim());
    return { option: codeIn(option), flags: codeIn(flags), env: codeIn(env), byDefault };
  });
}

function codeIn(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);
}

test("every option of the sidecar, with its variables", () => {
  expect(documentedRows().map(({ option, env }) => [...option, ...env])).toEqual(
    Object.entries(sidecarOptionTable).map(([name, { env = [] }]) => [name, ...env]),
  );
});

test("every flag that is not one of the buffer's", () => {
  const ofBuffer = new Set(bufferFlags().map(({ long }) => long));
  const own = serveCommand().options.map(({ long }) => long);
  expect(documentedRows().flatMap(({ flags }) => flags)).toEqual(own.filter((flag) => !ofBuffer.has(flag)));
});

test("every default", () => {
  const resolved = resolveSidecarOptions({}, {}) as unknown as Record<string, unknown>;
  for (const { option, byDefault } of documentedRows()) {
    const value = JSON.stringify(resolved[option[0] ?? ""]) ?? "{}";
    expect([option, byDefault.replaceAll(/[`,]/g, "")]).toEqual([
      option,
      value === "{}" ? "–" : value.replaceAll('"', ""),
    ]);
  }
});
