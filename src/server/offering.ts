import type { CommittingSink } from "../committing-sink.ts";

/** The records of a request that were offered together: committed when everything up to that number is. */
export interface Offering {
  sequence: number;
  /** They may not be in the journal although their number is: who sends one again, sends a new one. */
  isLost: boolean;
}

/**
 * Resolves true when all that was offered up to `sequence` is committed, within `limitMs`.
 *
 * @param offering what the request offered itself.
 */
export async function isCommitted(
  sink: CommittingSink,
  sequence: number,
  offering: Offering,
  limitMs: number,
): Promise<boolean> {
  if (await sink.whenCommitted(sequence, limitMs)) return true;
  // Its number has been reached all the same: either just now, or the disk had no room and something was refused. Which
  // of the two nobody can tell, and a record that comes twice is better than one that is missing.
  offering.isLost = await sink.whenCommitted(sequence, 0);
  return false;
}
