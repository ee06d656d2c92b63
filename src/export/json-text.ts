/**
 * A JSON value where a text should stand, as a text. Not by `String`: an object with a member `toString` of its own, which
 * anybody may send, makes that throw.
 */
export function jsonText(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
