import { commandCases, indented, keyOf, valueCases } from "./case-lines.ts";
import type { CompletedCommand, Completion } from "./command-tree.ts";

/** A script to be sourced by bash 4 or later. */
export function bashScript(program: string, tree: readonly CompletedCommand[]): string {
  const name = `_${program.replaceAll("-", "_")}`;
  return `# Completion of ${program} for bash. Use it by: source <(${program} completion bash)
${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$command/\${COMP_WORDS[index]}" in
${indented(6, commandCases(tree))}
    esac
  done
  case "$command \${COMP_WORDS[COMP_CWORD - 1]}" in
${indented(4, valueCases(tree, replyOf))}
  esac
  case "$command" in
${indented(4, wordCases(tree))}
  esac
}
complete -F ${name} ${program}
`;
}

/** Subcommands and flags, and the command's own argument. */
function wordCases(tree: readonly CompletedCommand[]): string[] {
  return tree.map(({ path, subcommands, flags, argument }) => {
    const words = [...subcommands.map(({ name }) => name), ...flags.flatMap(({ names }) => names)];
    if (argument?.kind === "choices") words.unshift(...argument.choices);
    const names = argument?.kind === "file" || argument?.kind === "directory" ? [replies[argument.kind]] : [];
    const reply = [replyWith(words), ...names.map((each) => each.replace("=", "+="))].join("; ");
    return `"${keyOf(path)}") ${reply} ;;`;
  });
}

const replies = {
  directory: 'COMPREPLY=($(compgen -d -- "$current"))',
  file: 'COMPREPLY=($(compgen -f -- "$current"))',
  anything: ":",
} as const;

function replyOf(value: Completion): string {
  return value.kind === "choices" ? replyWith(value.choices) : replies[value.kind];
}

function replyWith(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current"))`;
}
