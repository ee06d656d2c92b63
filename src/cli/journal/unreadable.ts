import { note } from "./journal-command.ts";
import type { Place } from "./places.ts";

/** A journal that cannot be read, with what to do. */
export interface Unreadable {
  journal: string;
  reason: string;
}

/** Collects journals that cannot be read, and says so on stderr. */
export function unreadableNotes(): { unreadable: Unreadable[]; onUnreadable: (place: Place, reason: string) => void } {
  const unreadable: Unreadable[] = [];
  return {
    unreadable,
    onUnreadable: ({ label, file }, reason) => {
      unreadable.push({ journal: label, reason });
      note(`${file} cannot be read, or not to its end: ${reason}; see span-buffer verify`);
    },
  };
}
