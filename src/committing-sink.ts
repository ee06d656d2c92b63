import type { SpanPayload } from "./buffer/span-payload.ts";

/** Takes finished records, and tells when they are in a journal: for a caller that owes somebody an answer. */
export interface CommittingSink {
  /** Hands over one record in its stored form. `false`: it was dropped, and counted. Never throws. */
  offer(payload: SpanPayload): boolean;
  /** Everything that was offered until now has a number up to this one. */
  readonly sequence: number;
  /**
   * Resolves true once everything with a number up to `sequence` is in a journal that the next start finds, or has been
   * acknowledged; false when that has not happened after `limitMs` milliseconds. It may still happen then.
   */
  whenCommitted(sequence: number, limitMs: number): Promise<boolean>;
  /** Why new records cannot be persisted now, in one line for people; undefined: they can. */
  readonly trouble: string | undefined;
}
