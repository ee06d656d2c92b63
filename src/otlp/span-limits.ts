/** What spans may hold, so that a body of a few kilobytes, decompressed, does not become gigabytes of objects. */

/** One takes 46 bytes at least to be stored, so not even 64 MiB of the smallest have more. */
export const maxRequestSpans = 1_500_000;

/** Resources, scopes, spans and fields that are passed over: two bytes are enough for one that is empty. */
export const maxRequestEntries = 3_000_000;

/** Attributes, events, links, and the values within values. What is stored of a span has room for half as many. */
export const maxSpanParts = 100_000;

/** Arrays and lists within each other; the stored form keeps 128 levels of JSON, of which each of these takes four. */
export const deepestValue = 30;

/** Stands in the place of a value that is nested deeper. */
export const tooDeep: string = `[Nested deeper than ${deepestValue} levels]`;

/** A span that is refused for its size. */
export class TooManyParts extends Error {
  constructor() {
    super(`it has more than ${maxSpanParts} attributes, events and values`);
  }
}

export class TooManySpans extends Error {
  constructor() {
    super(`it has more than ${maxRequestSpans} spans`);
  }
}

export class TooManyEntries extends Error {
  constructor() {
    super(`it has more than ${maxRequestEntries} resources, scopes and spans`);
  }
}
