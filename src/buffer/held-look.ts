/** A look at a file of held events (held-events-schema.ts) from outside, as journal-look.ts has for journals. */
import { bytesOf, isHeld, type LookTrouble, withReadOnly } from "./journal-look.ts";

export interface HeldLook {
  file: string;
  /** A living process writes it. */
  isHeld: boolean;
  /** Events of observations and traces of which something is still to go. */
  waiting: number;
  /** When the last of the longest silent one came, in milliseconds since 1970; undefined: none waits. */
  oldestAtMs: number | undefined;
  /** Size of the file and its write-ahead log. */
  bytes: number;
  trouble: LookTrouble | undefined;
}

/** Looks at one file. Never throws: what cannot be read is in `trouble`. */
export function lookAtHeldEvents(file: string): HeldLook {
  const look: HeldLook = {
    file,
    isHeld: isHeld(file.replace(/\.sqlite$/, ".lock")),
    waiting: 0,
    oldestAtMs: undefined,
    bytes: bytesOf(file),
    trouble: undefined,
  };
  look.trouble = withReadOnly(file, (database) => {
    // A process that has just made the file has not made its tables yet.
    const [isMade] = database.pragma("schema_version") as [{ schema_version: number }];
    if (isMade.schema_version === 0) return undefined;
    const row = database
      .prepare<[], { waiting: number; oldestAtMs: number | null }>(
        `SELECT count(events.id) AS waiting, min(seen_at_ms) AS oldestAtMs
         FROM entities JOIN events ON entity_id = entities.id WHERE due_at_ms IS NOT NULL`,
      )
      .get();
    look.waiting = row?.waiting ?? 0;
    look.oldestAtMs = row?.oldestAtMs ?? undefined;
    return undefined;
  });
  return look;
}
