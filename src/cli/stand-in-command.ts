import { Command, Option } from "commander";
import { serveStandIn } from "../stand-in/serve.ts";
import { wholeNumberWithin } from "./number-argument.ts";

const port = wholeNumberWithin(0, 65_535);

interface StandInFlags {
  host: string;
  port: number;
  controlPort?: number;
  generation: "otlp" | "ingestion";
  file?: string;
}

export function standInCommand(): Command {
  return new Command("stand-in")
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
    .action(async (flags: StandInFlags) => {
      await serveStandIn(flags);
    });
}
