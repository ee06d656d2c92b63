/** From what the command line says to the sidecar's options. */
import { type MaskRule, maskPatternNames } from "../../mask/mask-rules.ts";
import { optionTable } from "../../option-table.ts";
import { convert, type SpanBufferOptions } from "../../options.ts";
import { type SidecarOptions, sidecarOptionTable } from "../../server/options.ts";
import { kebabCase } from "./buffer-flags.ts";

/** As commander gives them: texts by camelCase names. */
export interface Flags extends Readonly<Record<string, unknown>> {
  sessionId?: string;
  userId?: string;
  traceName?: string;
  tag?: string[];
  mask?: string[];
  maskKey?: string[];
  /** False: `--no-enrich`. True says nothing: it is commander's default. */
  enrich: boolean;
}

/** Flags with another name than their option. */
const flagNames: Readonly<Record<string, string>> = {
  projectsFile: "projects",
  tlsCertificateFile: "tlsCertificate",
  tlsKeyFile: "tlsKey",
};

export function sidecarOptionsFrom(flags: Flags): Partial<SidecarOptions> {
  const { sessionId, userId, traceName, tag: tags, enrich } = flags;
  const traceDefaults = Object.entries({ sessionId, userId, traceName, tags }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    ...given(sidecarOptionTable, { ...flags, enrich: undefined }),
    ...(enrich ? {} : { enrich }),
    traceDefaults: Object.fromEntries(traceDefaults),
    buffer: { ...given(optionTable, { ...flags, mask: undefined }), mask: maskFrom(flags) },
  };
}

/** What is no rule may be a module; the options' own validation names what is neither. */
function maskFrom({ mask = [], maskKey = [] }: Flags): SpanBufferOptions["mask"] {
  const [only] = mask;
  if (only === undefined && maskKey.length === 0) return undefined;
  const isPattern = maskPatternNames.some((name) => name === only);
  if (only !== undefined && mask.length === 1 && maskKey.length === 0 && !isPattern) return only;
  return [...(mask as MaskRule[]), ...(maskKey.length === 0 ? [] : [{ keys: maskKey }])];
}

/** What was given of a table's options, as the type of each one's default. */
function given(
  table: Readonly<Record<string, { fallback?: unknown }>>,
  flags: Readonly<Record<string, unknown>>,
): object {
  return Object.fromEntries(
    Object.entries(table).flatMap(([name, { fallback }]) => {
      const value = flags[flagNames[name] ?? name];
      return value === undefined ? [] : [[name, typeof value === "string" ? convert(value, fallback) : value]];
    }),
  );
}

/** A message about options with the flags that were written: `option "batchSize"` → `option --batch-size`. */
export function withFlagNames(message: string, flags: readonly string[]): string {
  return message.replaceAll(/option "(\w+)"/g, (words, name: string) => {
    const flag = flagNames[name] ?? name;
    return flags.includes(flag) ? `option --${kebabCase(flag)}` : words;
  });
}
