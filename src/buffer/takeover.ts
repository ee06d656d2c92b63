/**
 * What keeps it exact that spans move from a journal that was left behind into another one. They are in the new journal
 * before they leave the old one; how far that is, the new one notes in the same transaction (`moved:<id>:<cuts>`). A
 * process that dies in between leaves the same spans in both. So whoever takes a journal first looks for such a note in
 * the others, and removes what it names. That cut is counted: what gets those ids later is none of the note's business.
 */
import type { Journal } from "./journal.ts";

const cutsKey = "cuts";

/** The key under which another journal notes how far it has this one's spans. */
export function moveMark(journal: Journal): string {
  return `${movesOf(journal.meta.journalId)}${journal.meta.get(cutsKey) ?? "0"}`;
}

/** The marks of a journal begin so, whatever its cuts. */
export function movesOf(journalId: string): string {
  return `moved:${journalId}:`;
}

/**
 * Removes the spans that another journal has.
 *
 * @param metas what the other journals of the directory say, by key.
 * @throws what the disk throws.
 */
export function cutMoved(journal: Journal, metas: Iterable<ReadonlyMap<string, string>>): void {
  const mark = moveMark(journal);
  let throughId: number | undefined;
  for (const meta of metas) {
    const text = meta.get(mark);
    if (text !== undefined) throughId = Math.max(throughId ?? Number(text), Number(text));
  }
  if (throughId === undefined) return;
  const cuts = Number(journal.meta.get(cutsKey) ?? "0") + 1;
  const through = throughId;
  journal.together(() => {
    journal.remove(Number.MIN_SAFE_INTEGER, through);
    journal.meta.set(cutsKey, String(cuts));
  });
}
