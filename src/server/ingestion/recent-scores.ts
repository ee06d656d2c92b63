import { LRUCache } from "lru-cache";
import type { CommittingSink } from "../../committing-sink.ts";
import { hashOf } from "../../buffer/held-events.ts";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";

/** A client repeats within minutes; each takes some hundred bytes. */
const remembered = 50_000;

/**
 * Scores on their way into a project's journal. One that comes again with the same id and content goes in once, by
 * whichever route.
 */
export class RecentScores {
  /** Event → number in the sink: who repeats it waits for the same commit. */
  readonly #sequences = new WeakMap<CommittingSink, LRUCache<string, number>>();

  /** Undefined: the sink does not take it. */
  offer(sink: CommittingSink, event: IngestionEvent): { sequence: number; isRepeated: boolean } | undefined {
    let known = this.#sequences.get(sink);
    if (known === undefined) {
      known = new LRUCache({ max: remembered });
      this.#sequences.set(sink, known);
    }
    const key = hashOf(JSON.stringify(event.body)).toString("base64");
    const earlier = known.get(key);
    if (earlier !== undefined) return { sequence: earlier, isRepeated: true };
    if (!sink.offer(event as unknown as SpanPayload)) return undefined;
    const { sequence } = sink;
    known.set(key, sequence);
    return { sequence, isRepeated: false };
  }
}
