/** What the sink has seen, asked by a subject's process. */
import { setTimeout } from "node:timers/promises";
import type { Arrivals } from "../gate.ts";

export async function fetchArrivals(baseUrl: string): Promise<Arrivals> {
  const response = await fetch(`${baseUrl}/bench/arrivals`);
  return (await response.json()) as Arrivals;
}

const quietMs = 50;

/** Spans so far, once no more come: `langfuse` 3 says that it has flushed while earlier requests are still under way. */
export async function fetchQuietSpanCount(baseUrl: string): Promise<number> {
  let count = await fetchSpanCount(baseUrl);
  for (let before = -1; count !== before; ) {
    before = count;
    await setTimeout(quietMs);
    count = await fetchSpanCount(baseUrl);
  }
  return count;
}

/** Cheap enough to be asked often. */
export async function fetchSpanCount(baseUrl: string): Promise<number> {
  const response = await fetch(`${baseUrl}/bench/count`);
  return ((await response.json()) as { spans: number }).spans;
}
