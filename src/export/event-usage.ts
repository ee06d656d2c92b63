/** Token counts and costs in the forms of Langfuse's old SDKs, and of the OpenAI answers that bots hand on. */
import { isRecord } from "./attribute-values.ts";

type Counts = Record<string, number>;

export interface Usage {
  usageDetails: Counts;
  costDetails: Counts;
}

/** `usage`, as OpenAI's first SDK named it → as Langfuse names it. */
const oldNames = { promptTokens: "input", completionTokens: "output", totalTokens: "total" } as const;

/** What a body's `usage`, `usageDetails` and `costDetails` say together; the details go before. */
export function usageOf(body: Readonly<Record<string, unknown>>): Usage {
  const usage = isRecord(body["usage"]) ? body["usage"] : {};
  const details = detailsOf(body["usageDetails"]);
  const hasDetails = Object.keys(details).length > 0;
  return {
    usageDetails: { ...countsOf(usage, hasDetails), ...details },
    costDetails: { ...costsOf(usage), ...numbersOf(body["costDetails"]) },
  };
}

/** @param hasDetails then the total is not made up. */
function countsOf(usage: Record<string, unknown>, hasDetails: boolean): Counts {
  const isOld = Object.keys(oldNames).some((name) => name in usage);
  const named = isOld
    ? Object.fromEntries(Object.entries(oldNames).map(([name, ours]) => [ours, usage[name]]))
    : { input: usage["input"], output: usage["output"], total: usage["total"] };
  const counts = numbersOf(named);
  const { input, output, total } = counts;
  if (total !== undefined || hasDetails) return counts;
  const sum = input !== undefined && output !== undefined ? input + output : (input ?? output);
  return sum === undefined ? counts : { ...counts, total: sum };
}

function costsOf({ inputCost, outputCost, totalCost }: Record<string, unknown>): Counts {
  return numbersOf({ input: inputCost, output: outputCost, total: totalCost });
}

/** OpenAI's names, with what is part of a count taken out of it; or Langfuse's as they are. */
function detailsOf(details: unknown): Counts {
  if (!isRecord(details)) return {};
  for (const [input, output] of [
    ["prompt", "completion"],
    ["input", "output"],
  ] as const) {
    const inputCount = details[`${input}_tokens`];
    const outputCount = details[`${output}_tokens`];
    if (typeof inputCount !== "number" || typeof outputCount !== "number") continue;
    return {
      ...split("input", inputCount, details[`${input}_tokens_details`]),
      ...split("output", outputCount, details[`${output}_tokens_details`]),
      ...numbersOf({ total: details["total_tokens"] }),
    };
  }
  return numbersOf(details);
}

function split(name: string, count: number, details: unknown): Counts {
  const parts = Object.entries(numbersOf(details));
  const rest = parts.reduce((left, [, part]) => Math.max(left - part, 0), count);
  return { [name]: rest, ...Object.fromEntries(parts.map(([part, value]) => [`${name}_${part}`, value])) };
}

function numbersOf(values: unknown): Counts {
  if (!isRecord(values)) return {};
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}
