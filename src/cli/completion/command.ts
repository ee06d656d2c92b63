import process from "node:process";
import { Argument, Command } from "commander";
import { bashScript } from "./bash.ts";
import { commandTree } from "./command-tree.ts";
import { fishScript } from "./fish.ts";
import { zshScript } from "./zsh.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** @param program of which the commands are completed, this one among them. */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print a script that completes commands, flags and their values in a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(scripts)))
    .addHelpText(
      "after",
      `
Examples:
  source <(span-buffer completion bash)            for this shell; in ~/.bashrc for all
  source <(span-buffer completion zsh)             the same for zsh, after compinit
  span-buffer completion fish > ~/.config/fish/completions/span-buffer.fish`,
    )
    .action((shell: keyof typeof scripts) => {
      process.stdout.write(scripts[shell](program.name(), commandTree(program)));
    });
}
