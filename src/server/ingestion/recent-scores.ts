import { LRUCache } from "lru-cache";
import type { CommittingSink } from "../../committing-sink.ts";
import { hashOf } from "../../buffer/held-events.ts";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";
import type { Offering } from "../offering.ts";

/** A client repeats within minutes; each takes some hundred bytes. */
const remembered = 50_000;

/**
 * Scores on their way into a project's journal. One that comes again with the same id and content goes in once, by
 * whichever route.
 */
export class RecentScores {
  /** Event → with what it was offered: who repeats it waits for the same commit. */
  readonly #offerings = new WeakMap<CommittingSink, LRUCache<string, Offering>>();

  /**
   * Undefined: the sink does not take it.
   *
   * @param offering of the request; its number is that of its latest score.
   */
  offer(
    sink: CommittingSink,
    event: IngestionEvent,
    offering: Offering,
  ): { sequence: number; isRepeated: boolean } | undefined {
    let known = this.#offerings.get(sink);
    if (known === undefined) {
      known = new LRUCache({ max: remembered });
      this.#offerings.set(sink, known);
    }
    const key = hashOf(JSON.stringify(event.body)).toString("base64");
    const earlier = known.get(key);
    if (earlier !== undefined && !earlier.isLost) return { sequence: earlier.sequence, isRepeated: true };
    if (!sink.offer(event as unknown as SpanPayload)) return undefined;
    offering.sequence = sink.sequence;
    known.set(key, offering);
    return { sequence: offering.sequence, isRepeated: false };
  }
}
