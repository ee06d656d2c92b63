import process from "node:process";
import { Command } from "commander";
import { resolveSidecarOptions } from "../../server/options.ts";
import { exitCodes } from "../exit-codes.ts";
import { bufferFlags } from "./buffer-flags.ts";
import { type Flags, sidecarOptionsFrom, withFlagNames } from "./flag-values.ts";
import { runSidecar } from "./run.ts";

export function serveCommand(): Command {
  const command = new Command("serve")
    .description(
      "the buffer as a service: takes OTLP and what Langfuse's SDKs send, journals it, delivers it to Langfuse",
    )
    .option("--host <address>", "address to listen on; any but a loopback address needs keys (default: 127.0.0.1)")
    .option("--port <number>", "port to listen on; 0 takes a free one (default: 4318)")
    .option(
      "--projects <file>",
      "JSON file of several projects, [{name, publicKey, secretKey, baseUrl?}]; read again on SIGHUP",
    )
    .option("--tls-certificate <file>", "PEM file of the certificate and its chain; read again on SIGHUP")
    .option("--tls-key <file>", "PEM file of its key")
    .option("--max-request-bytes <number>", "of a request's body, as it comes and decompressed (default: 67108864)")
    .option("--max-connections <number>", "connections at once (default: 1000)")
    .option("--request-timeout-ms <number>", "from the first byte of a request to its last (default: 30000)")
    .option("--idle-timeout-ms <number>", "of a connection without a request (default: 60000)")
    .option(
      "--commit-timeout-ms <number>",
      "how long a request waits for its commit before it is answered 503 (default: 10000)",
    )
    .option("--no-enrich", "leave Pipecat's spans as they come")
    .option("--session-id <text>", "of every span that names no session")
    .option("--user-id <text>", "of every span that names no user")
    .option("--trace-name <text>", "of every span that names none")
    .option("--tag <text...>", "of every span that has none; may be repeated")
    .option("--log-level <level>", "debug, info, warn, error or silent (default: info)")
    .optionsGroup("Options of the buffer (each project has its own):");
  for (const flag of bufferFlags()) command.addOption(flag);
  return command.action(async (values: Flags) => {
    try {
      await runSidecar(resolveSidecarOptions(sidecarOptionsFrom(values)));
    } catch (error) {
      const message = withFlagNames((error as Error).message, Object.keys(values));
      // About an option; what else can go wrong, a port, a file, is not the command line's fault.
      if (error instanceof TypeError) command.error(`error: ${message}`);
      process.stderr.write(`error: ${message}\n`);
      process.exitCode = exitCodes.failed;
    }
  });
}
