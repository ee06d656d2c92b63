import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { runDemo } from "./demo/demo.ts";
import { serveCommand } from "./serve/command.ts";
import { runStandIn } from "./stand-in-command.ts";

/** Runs one command line; sets the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  const program = new Command("span-buffer")
    .description("Telemetry buffer for LLM and voice bots: spans reach Langfuse through outages, crashes and restarts.")
    .showHelpAfterError("(span-buffer --help shows what there is)");
  program
    .command("demo")
    .description(
      "a fleet of voice bots, an outage, a crash and a poison span, and the account of what arrived (under 60 s)",
    )
    .option("--json", "print the account as one JSON object on the last line")
    .addOption(conversations())
    .action(async (options: { json?: boolean; conversations: number }) => {
      process.exitCode = await runDemo({ json: options.json === true, conversations: options.conversations });
    });
  program
    .command("stand-in")
    .description("a Langfuse to work against without network or keys")
    .option("--host <host>", "address to listen on", "127.0.0.1")
    .option("--port <port>", "port to listen on; 0 takes a free one", port, 3000)
    .option(
      "--control-port <port>",
      "a second port for switches and the account, open even while the stand-in is down",
      port,
    )
    .addOption(
      new Option("--generation <generation>", "otlp: as Langfuse 4; ingestion: as Langfuse 2")
        .choices(["otlp", "ingestion"])
        .default("otlp"),
    )
    .option("--file <file>", "SQLite file to keep what arrives (default: memory)")
    .action(runStandIn);
  program.addCommand(serveCommand());
  await program.parseAsync(argv);
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError("a port is 0 … 65535");
  return value;
}

function conversations(): Option {
  return new Option("--conversations <number>", "conversations at once").default(60).argParser((text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > 1_000) throw new InvalidArgumentError("1 … 1000");
    return value;
  });
}
