import type { CompletedCommand, CompletedFlag, Completion } from "./command-tree.ts";

/** A script for fish, to be sourced or put into `~/.config/fish/completions/span-buffer.fish`. */
export function fishScript(program: string, tree: readonly CompletedCommand[]): string {
  const lines = tree.flatMap((command) => {
    const begin = `complete -c ${program} -n ${quoted(conditionOf(command))}`;
    return [
      ...command.subcommands.map(({ name, description }) => `${begin} -a ${name} -d ${quoted(description)}`),
      ...command.flags.map((flag) => `${begin} ${flagOf(flag)} -d ${quoted(flag.description)}`),
      ...(command.argument === undefined ? [] : [`${begin} ${valueOf(command.argument)}`]),
    ];
  });
  return `# Completion of ${program} for fish. Use it by: ${program} completion fish | source
complete -c ${program} -f
${lines.join("\n")}
`;
}

/** In this command, and in none of those below it. */
function conditionOf({ path, subcommands }: CompletedCommand): string {
  const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
  if (subcommands.length > 0) {
    seen.push(`not __fish_seen_subcommand_from ${subcommands.map(({ name }) => name).join(" ")}`);
  }
  return seen.join("; and ");
}

function flagOf({ names, value }: CompletedFlag): string {
  const words = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  // `-x`: a value must follow, and no file is one.
  if (value !== undefined) words.push(value.kind === "file" ? "-r" : "-x", valueOf(value));
  return words.join(" ").trimEnd();
}

const help = { directory: '-a "(__fish_complete_directories)"', file: "-F", anything: "" } as const;

function valueOf(value: Completion): string {
  return value.kind === "choices" ? `-a ${quoted(value.choices.join(" "))}` : help[value.kind];
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
