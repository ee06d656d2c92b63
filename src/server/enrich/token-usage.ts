/**
 * Token counts under the names that Langfuse has prices for. It multiplies each count by the price of its name and adds
 * them up, so no token may be in two of them: `input` is without what was read from or written to a cache and without
 * audio, `output` without reasoning and audio (as Langfuse itself splits what its OpenAI integration sends).
 */
import { providerAttributes } from "./pipecat.ts";
import type { SpanAttributes } from "./span-attributes.ts";

/** Langfuse's name → the attribute's in Pipecat 1.14 and before it; the first that is there counts. */
const counts = {
  input: ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
  input_cached_tokens: ["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"],
  input_cache_creation: ["gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"],
  input_audio_tokens: ["gen_ai.usage.audio.input_tokens"],
  output: ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"],
  output_reasoning_tokens: ["gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"],
  output_audio_tokens: ["gen_ai.usage.audio.output_tokens"],
} as const;

/** Cached tokens that were audio: counted among the cached ones only. */
const cachedAudio = "gen_ai.usage.audio.cache_read.input_tokens";

type CountName = keyof typeof counts;
const names = Object.keys(counts) as CountName[];

export const usageAttributes: readonly string[] = [...Object.values(counts).flat(), cachedAudio];

/** Services whose input count is without the cached tokens. That of all others holds them. */
const netProviders: ReadonlySet<string | undefined> = new Set(["anthropic", "aws.bedrock"]);

/** Undefined: the span has no counts. */
export function tokenUsage(attributes: SpanAttributes): Record<string, number> | undefined {
  const usage: Partial<Record<CountName, number>> = {};
  let isAny = false;
  for (const name of names) {
    const count = firstCount(attributes, counts[name]);
    if (count === undefined) continue;
    usage[name] = count;
    isAny = true;
  }
  if (!isAny) return undefined;
  const audioOnly = (usage.input_audio_tokens ?? 0) - (firstCount(attributes, [cachedAudio]) ?? 0);
  if (usage.input_audio_tokens !== undefined) usage.input_audio_tokens = Math.max(audioOnly, 0);
  const provider = providerAttributes.map((key) => attributes.text(key)).find((name) => name !== undefined);
  const isNet = netProviders.has(provider);
  takeOut(usage, "input", [
    ...(isNet ? [] : (["input_cached_tokens", "input_cache_creation"] as const)),
    "input_audio_tokens",
  ]);
  takeOut(usage, "output", ["output_reasoning_tokens", "output_audio_tokens"]);
  return usage;
}

/** What does not fit into the whole was never part of it. */
function takeOut(usage: Partial<Record<CountName, number>>, whole: CountName, parts: readonly CountName[]): void {
  const total = usage[whole];
  if (total === undefined) return;
  const sum = parts.reduce((before, part) => before + (usage[part] ?? 0), 0);
  if (sum <= total) usage[whole] = total - sum;
}

function firstCount(attributes: SpanAttributes, keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const count = attributes.number(key);
    if (count !== undefined && Number.isSafeInteger(count) && count >= 0) return count;
  }
  return undefined;
}
