/** The options of the embedded buffer as flags, made from the table that validates them. */
import { Option } from "commander";
import { maskPatternNames } from "../../mask/mask-rules.ts";
import { optionTable } from "../../option-table.ts";
import type { SpanBufferOptions } from "../../options.ts";

/** What only a program can give. */
type ProgramOption = "maskJournal" | "sampling" | "shouldExportSpan" | "logger" | "destinations";
type FlagName = Exclude<keyof SpanBufferOptions, ProgramOption | "mask">;

/** The option `mask` in two flags: patterns or a module, and names of keys. */
const maskFlags: readonly [flags: string, description: string][] = [
  [
    "--mask <what...>",
    `what is hidden before it leaves: ${maskPatternNames.join(", ")}, or the path of a module with a function; may be repeated`,
  ],
  ["--mask-key <name...>", "values under keys of this name are hidden; may be repeated"],
];

/** In the order of `--help`. */
const descriptions: Readonly<Record<FlagName, string>> = {
  publicKey: "of the one project",
  secretKey: "of the one project; a command line is seen by every user of the machine, so better the environment",
  baseUrl: "the Langfuse host",
  directory: "folder of the journals, by default a per-user state folder",
  durability: "journal: 200 after the commit; strict: each span also in a crash log",
  crashLogDirectory: "folder of the crash log of durability strict, by default the directory",
  transport: "Langfuse's route for spans; auto asks its health route",
  sender: "who sends on the OTLP route: Langfuse's SDK, or the sidecar itself with less CPU",
  compression: "of requests to Langfuse; gzip needs --sender direct",
  batchSize: "spans in a request",
  flushInterval: "seconds that a span waits for its batch to fill",
  maxQueueSize: "spans that the pump holds in memory",
  maxBatchBytes: "payload of a request to Langfuse",
  maxSpanBytes: "a larger span is cut",
  maxDiskBytes: "size of a journal; beyond it the overflow policy decides",
  maxDeadLetterBytes: "size of the table of what Langfuse refused for good",
  maxMemoryBytes: "memory for bursts",
  ringBytes: "size of the ring",
  overflowPolicy: "what goes when --max-disk-bytes is reached",
  exportThreads: "threads that send",
  exportConcurrency: "requests to Langfuse under way at once",
  exportTimeoutMs: "time limit of a request to Langfuse",
  environment: "on every span that names none",
  release: "on every span",
  serviceName: "on every span without a resource",
  media: "audio and images in data URIs go as Langfuse media",
  sampleRate: "share of traces that are kept",
  enabled: "false is refused: a sidecar would have nothing to do",
  shutdownTimeoutMs: "time for the end after SIGTERM",
};

/** The value stays a text; the options' own validation converts it and names what is wrong. */
export function bufferFlags(): Option[] {
  const flags = Object.entries(descriptions).map(([name, description]) => {
    const { allowed, fallback, env = [], isSecret } = optionTable[name as FlagName];
    const notes = [
      // "A text" tells nobody anything.
      ...(isSecret === true || allowed.startsWith("a ") ? [] : [allowed]),
      ...(fallback === undefined ? [] : [`default: ${fallback}`]),
      ...(env.length === 0 ? [] : [`env: ${env.join(", ")}`]),
    ];
    const note = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
    return new Option(`--${kebabCase(name)} <value>`, `${description}${note}`);
  });
  return [...flags, ...maskFlags.map(([flag, description]) => new Option(flag, description))];
}

export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
