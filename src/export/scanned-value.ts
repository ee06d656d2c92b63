/** The values that a scanner has found in a stored span, as texts and numbers of JavaScript. */
import type { Place } from "./span-scanner.ts";
import { partKind } from "./span-scanner.ts";

/** The text at a place: of a text its content, of anything else its JSON. */
export function textAt(bytes: Buffer, { start, end, kind }: Place): string {
  const text = bytes.toString("utf8", start, end);
  return kind === partKind.escapedText ? (JSON.parse(`"${text}"`) as string) : text;
}

/** The value at a place, parsed. */
export function valueAt(bytes: Buffer, place: Place): unknown {
  const { start, end, kind } = place;
  return kind === partKind.text || kind === partKind.escapedText
    ? textAt(bytes, place)
    : (JSON.parse(bytes.toString("utf8", start, end)) as unknown);
}
