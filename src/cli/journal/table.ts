import { aligned } from "../aligned.ts";

/** Characters that a terminal would obey, or that would break a line. */
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/** Text from a span for a terminal: on one line, without what a terminal obeys, and not too long. */
export function plain(text: string, maxLength = 60): string {
  const line = text.replaceAll(control, " ");
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}

/** Columns under their titles. @param right titles of those that are aligned to the right. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[],
): string {
  const numbers = right.map((title) => titles.indexOf(title));
  return aligned([titles, ...rows], numbers).join("\n");
}
