/** The command line as a list: what the completion scripts of all shells are made from. */
import type { Command } from "commander";

/** What a value may be, as far as a shell can help. */
export type Completion = { kind: "choices"; choices: readonly string[] } | { kind: "file" | "directory" | "anything" };

export interface CompletedFlag {
  /** With its dashes, the long form first. */
  names: string[];
  description: string;
  /** Undefined: it takes no value. */
  value: Completion | undefined;
}

export interface CompletedCommand {
  /** Names from the top, without the program's; empty: the program itself. */
  path: string[];
  description: string;
  subcommands: { name: string; description: string }[];
  flags: CompletedFlag[];
  /** Of its first argument; undefined: it takes none. */
  argument: Completion | undefined;
}

const help: CompletedFlag = { names: ["--help", "-h"], description: "display help for command", value: undefined };

/** A command and all below it, parents first. */
export function commandTree(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const [argument] = command.registeredArguments;
  const own: CompletedCommand = {
    path: [...path],
    description: firstSentence(command.description()),
    subcommands: command.commands.map((each) => ({
      name: each.name(),
      description: firstSentence(each.description()),
    })),
    flags: [
      ...command.options
        .filter(({ hidden }) => !hidden)
        .map(({ long, short, description, argChoices, flags }) => ({
          names: [long, short].filter((name) => typeof name === "string"),
          description: firstSentence(description),
          value: /[<[]/.test(flags)
            ? completionOf(`${long ?? ""} ${flags}`, argChoices ?? valuesNamedIn(description))
            : undefined,
        })),
      help,
    ],
    argument: argument === undefined ? undefined : completionOf(argument.name(), argument.argChoices),
  };
  return [own, ...command.commands.flatMap((each) => commandTree(each, [...path, each.name()]))];
}

function completionOf(words: string, choices: readonly string[] | undefined): Completion {
  if (choices !== undefined) return { kind: "choices", choices };
  if (/director(y|ies)|\bdir\b/i.test(words)) return { kind: "directory" };
  return { kind: /file|output|projects|certificate|tls-key/i.test(words) ? "file" : "anything" };
}

/** The buffer's options say themselves what they allow (src/option-table.ts): `… ("journal", "strict" or "overflow"; …)`. */
function valuesNamedIn(description: string): string[] | undefined {
  const [, list] = /\(("[\w-]+"(?:(?:, | or )"[\w-]+")+)[;)]/.exec(description) ?? [];
  return list?.match(/[\w-]+(?=")/g) ?? undefined;
}

/** Menus have one line for each entry. */
function firstSentence(text: string): string {
  return text.split(/[;(\n]/, 1)[0]?.trim() ?? "";
}
