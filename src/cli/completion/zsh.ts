import { commandCases, indented, keyOf, valueCases } from "./case-lines.ts";
import type { CompletedCommand, Completion } from "./command-tree.ts";

/** A script for zsh, to be sourced or put as `_span-buffer` into a folder of `fpath`. */
export function zshScript(program: string, tree: readonly CompletedCommand[]): string {
  const name = `_${program.replaceAll("-", "_")}`;
  return `#compdef ${program}
# Completion of ${program} for zsh. Use it by: source <(${program} completion zsh)
${name}() {
  local command="" word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$command/$word" in
${indented(6, commandCases(tree))}
    esac
  done
  case "$command \${words[CURRENT-1]}" in
${indented(4, valueCases(tree, helpWith))}
  esac
  case "$command" in
${indented(4, entryCases(tree))}
  esac
  _describe '${program}' entries
}
if [[ "\${funcstack[1]}" == "${name}" || "\${funcstack[1]}" == "_${program}" ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`;
}

function entryCases(tree: readonly CompletedCommand[]): string[] {
  return tree.map(({ path, subcommands, flags, argument }) => {
    const entries = [
      ...subcommands.map(({ name, description }) => entryOf(name, description)),
      ...flags.flatMap(({ names, description }) => names.map((flag) => entryOf(flag, description))),
    ];
    const first = argument === undefined || argument.kind === "anything" ? "" : `${helpWith(argument)}; `;
    return `'${keyOf(path)}') ${first}entries=(${entries.join(" ")}) ;;`;
  });
}

const help = { directory: "_files -/", file: "_files", anything: ":" } as const;

function helpWith(value: Completion): string {
  return value.kind === "choices" ? `compadd -- ${value.choices.join(" ")}` : help[value.kind];
}

/** `'name:what it does'`; a colon in the description would end it, a quote the word. */
function entryOf(name: string, description: string): string {
  return `'${name}:${description.replaceAll(":", "\\:").replaceAll("'", "'\\''")}'`;
}
