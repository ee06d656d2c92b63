/** Files that are told apart by a number in their names, so that each process of a directory can have one. */
import { readdirSync } from "node:fs";

/** The numbers that there are, ascending. @param name with the number as its first group. */
export function numbersIn(directory: string, name: RegExp): number[] {
  return readdirSync(directory)
    .map((entry) => name.exec(entry)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Existing ones first, so that what was left behind is found before anything new is made; then the free ones. */
export function* existingFirst(existing: readonly number[], most: number): Generator<number> {
  yield* existing;
  const taken = new Set(existing);
  for (let number = 1; number <= most; number++) if (!taken.has(number)) yield number;
}
