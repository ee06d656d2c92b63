/** docs/command-line.md says of the command line what it is: commands, exit codes, the doctor's steps and causes. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { remedies } from "../../src/cli/doctor/causes.ts";
import { stepNeeds } from "../../src/cli/doctor/steps.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { spanBufferCommand } from "../../src/cli/program.ts";

const document = readFileSync(new URL("../../docs/command-line.md", import.meta.url), "utf8");

/** The rows below a heading, up to the next of any level, without the table's head. */
function rowsBelow(heading: string): string[][] {
  const [, section = ""] = document.split(`\n${heading}\n`);
  const lines = (section.split(/\n#+ /, 1)[0] ?? "").split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(1).map((line) =>
    line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim()),
  );
}

test("every command is named", () => {
  const [head = ""] = document.split("\n## ", 1);
  const names = spanBufferCommand().commands.map((command) => command.name());
  expect(names.filter((name) => !new RegExp(`\\| \\[?\`${name}`).test(head))).toEqual([]);
});

test("every exit code", () => {
  const documented = rowsBelow("## Exit codes").map(([code, name = ""]) => [name.replaceAll("`", ""), Number(code)]);
  expect(documented).toEqual(Object.entries(exitCodes));
});

test("every step of doctor, in its order, with what it needs", () => {
  const documented = rowsBelow("## Doctor").map(([title, needs = ""]) => [
    title,
    needs === "–" ? [] : needs.split(", "),
  ]);
  expect(documented).toEqual(stepNeeds());
});

test("every cause with its remedy", () => {
  const documented = rowsBelow("### Causes").map(([cause = "", remedy]) => [cause.replaceAll("`", ""), remedy]);
  expect(documented).toEqual(Object.entries(remedies));
});
