/** Every setting as a bot that is started in this environment would have it, with where it comes from. */
import { type OptionRow, optionTable } from "../../option-table.ts";
import {
  fromEnvironment,
  invalidOption,
  type ResolvedOptions,
  resolveOptions,
  type SpanBufferOptions,
} from "../../options.ts";
import { isAllowed } from "../../server/options.ts";

export interface Setting {
  name: string;
  /** As it may be shown: of a key only that it is set, and how it begins. */
  value: string;
  source: "flag" | "environment" | "default";
  /** Which environment variable; null: none. */
  variable: string | null;
  /** What is wrong with it; null: nothing. */
  problem: string | null;
}

export interface Settings {
  list: Setting[];
  /** With the defaults in place of what is wrong. */
  options: ResolvedOptions;
  /** What is wrong with settings together. */
  conflict: string | undefined;
  /** As they were given, whether they are allowed or not; undefined: they are not set. */
  raw: { publicKey: string | undefined; secretKey: string | undefined; baseUrl: string | undefined };
}

type Name = keyof SpanBufferOptions;

/** What only a program can give. */
const programOptions: readonly Name[] = [
  "mask",
  "maskJournal",
  "sampling",
  "shouldExportSpan",
  "logger",
  "destinations",
];

/** @param directory of the command line; it goes before the environment's. */
export function readSettings(directory: string | undefined, env: NodeJS.ProcessEnv): Settings {
  const given: SpanBufferOptions = directory === undefined || directory === "" ? {} : { directory };
  const problems = new Map<string, string>();
  const sound = { ...env };
  for (const [name, row] of Object.entries(optionTable) as [Name, OptionRow][]) {
    const found = given[name] === undefined ? fromEnvironment(row, env) : undefined;
    if (found === undefined || isAllowed(name, found.value)) continue;
    problems.set(name, invalidOption(row, found));
    for (const variable of row.env ?? []) delete sound[variable];
  }
  let conflict: string | undefined;
  let options: ResolvedOptions;
  try {
    options = resolveOptions(given, sound);
  } catch (error) {
    conflict = (error as Error).message.replace(/^langfuse-span-buffer: /, "");
    options = resolveOptions({ ...given, compression: "none" }, sound);
  }
  const rawOf = (name: Name): string | undefined =>
    fromEnvironment(optionTable[name], env)?.value as string | undefined;
  return {
    list: (Object.keys(optionTable) as Name[])
      .filter((name) => !programOptions.includes(name))
      .map((name) => settingOf(name, given, env, options, problems.get(name))),
    options,
    conflict,
    raw: { publicKey: rawOf("publicKey"), secretKey: rawOf("secretKey"), baseUrl: rawOf("baseUrl") },
  };
}

function settingOf(
  name: Name,
  given: SpanBufferOptions,
  env: NodeJS.ProcessEnv,
  options: ResolvedOptions,
  problem: string | undefined,
): Setting {
  const found = fromEnvironment(optionTable[name], env);
  const source = given[name] !== undefined ? "flag" : found === undefined ? "default" : "environment";
  const isKey = name === "publicKey" || name === "secretKey";
  const value = isKey
    ? keyShown(found?.value as string | undefined)
    : shown((options as Record<string, unknown>)[name]);
  return {
    name,
    value: problem === undefined || isKey ? value : "not allowed",
    source,
    variable: source === "environment" ? (found?.source ?? null) : null,
    problem: problem ?? null,
  };
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "not set");
}

function keyShown(key: string | undefined): string {
  return key === undefined ? "not set" : `set (${prefixOf(key)})`;
}

/** What a key is, by its beginning; nothing of the key itself is in it. */
export function prefixOf(key: string): "pk-…" | "sk-…" | "of another kind" {
  if (key.startsWith("pk-")) return "pk-…";
  return key.startsWith("sk-") ? "sk-…" : "of another kind";
}
