import { LRUCache } from "lru-cache";
import type { Offering } from "../offering.ts";

/** A client repeats a request within a minute or so. About 25 MB when all are in use. */
const mostSpans = 100_000;

interface Seen {
  checksum: number;
  offering: Offering;
}

/**
 * What a project was sent of late, so that a client which repeats a request after a lost answer has its spans stored
 * once: the same ids with the same bytes. The same ids with other bytes are another version of the span, and Langfuse's
 * to judge. It knows nothing of what was sent before the process began.
 */
export class RecentSpans {
  readonly #seen = new LRUCache<string, Seen>({ max: mostSpans });

  /** With which offering the very same span came before. */
  find(traceId: string, spanId: string, checksum: number): Offering | undefined {
    const seen = this.#seen.get(traceId + spanId);
    return seen === undefined || seen.checksum !== checksum || seen.offering.isLost ? undefined : seen.offering;
  }

  add(traceId: string, spanId: string, checksum: number, offering: Offering): void {
    this.#seen.set(traceId + spanId, { checksum, offering });
  }

  forget(traceId: string, spanId: string): void {
    this.#seen.delete(traceId + spanId);
  }
}
