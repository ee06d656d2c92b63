import { Journal } from "../buffer/journal.ts";
import { reasonOf } from "../buffer/damage.ts";
import { type Rescue, rebuildJournal } from "../buffer/salvage.ts";
import type { SpanRun } from "../buffer/span-run.ts";

export interface Repair {
  /** Nobody else has it open. */
  journal: Journal;
  error: unknown;
  /** What the journal must say of itself, whether or not it can still be read. */
  meta: Readonly<Record<string, string>>;
  /** Pending spans that are in memory. */
  inMemory: readonly SpanRun[];
  /** Spans that the server has, although the journal has not recorded it yet. */
  isDone: (id: number) => boolean;
  onProgress: () => void;
}

/**
 * Replaces a journal that turns out to be damaged while it is in use. When the disk does not let that be done either,
 * spans go on in memory, and the damaged file stays for the next start.
 */
export function repairJournal(repair: Repair): { journal: Journal; rescue: Rescue | undefined; failure?: Error } {
  const { file } = repair.journal;
  repair.journal.close();
  try {
    const rescue = rebuildJournal(file, reasonOf(repair.error), repair);
    return { journal: opened(new Journal(file), repair), rescue };
  } catch (error) {
    const journal = new Journal(":memory:");
    journal.restore(repair.inMemory);
    return { journal: opened(journal, repair), rescue: undefined, failure: error as Error };
  }
}

function opened(journal: Journal, { meta }: Repair): Journal {
  for (const [key, value] of Object.entries(meta)) journal.meta.set(key, value);
  return journal;
}
