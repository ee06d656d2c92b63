/** What the scripts for bash and zsh have in common: `case` over the command that has been typed so far. */
import type { CompletedCommand } from "./command-tree.ts";

/** How the scripts name a command: `/dead-letters/list`; empty: the program itself. */
export function keyOf(path: readonly string[]): string {
  return path.map((name) => `/${name}`).join("");
}

/** From one command to the next, by the word that follows. */
export function commandCases(tree: readonly CompletedCommand[]): string[] {
  return tree.filter(({ path }) => path.length > 0).map(({ path }) => `"${keyOf(path)}") command="${keyOf(path)}" ;;`);
}

/** The help with the value of each flag, by the command and the word before the cursor. */
export function valueCases(
  tree: readonly CompletedCommand[],
  helpWith: (value: NonNullable<CompletedCommand["argument"]>) => string,
): string[] {
  return tree.flatMap(({ path, flags }) =>
    flags.flatMap(({ names, value }) => {
      if (value === undefined) return [];
      const patterns = names.map((flag) => `"${keyOf(path)} ${flag}"`).join(" | ");
      return [`${patterns}) ${helpWith(value)}; return ;;`];
    }),
  );
}

export function indented(spaces: number, lines: readonly string[]): string {
  return lines.map((line) => " ".repeat(spaces) + line).join("\n");
}
