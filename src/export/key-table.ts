/** Finds names among bytes without making texts of them: length, first and last byte tell most names apart. */
export class KeyTable<Value> {
  readonly #buckets = new Map<number, { bytes: Buffer; value: Value }[]>();

  /** @param entries ASCII names, none of them empty. */
  constructor(entries: Iterable<readonly [name: string, value: Value]>) {
    for (const [name, value] of entries) {
      const bytes = Buffer.from(name, "latin1");
      const hash = hashOf(bytes, 0, bytes.length);
      const bucket = this.#buckets.get(hash);
      if (bucket === undefined) this.#buckets.set(hash, [{ bytes, value }]);
      else bucket.push({ bytes, value });
    }
  }

  /** The value of the name that lies at that place; `undefined`: none of the table's. */
  find(memory: Uint8Array, start: number, end: number): Value | undefined {
    if (start === end) return undefined;
    const bucket = this.#buckets.get(hashOf(memory, start, end));
    if (bucket === undefined) return undefined;
    for (const { bytes, value } of bucket) {
      let index = 0;
      while (index < bytes.length && bytes[index] === memory[start + index]) index++;
      if (index === bytes.length) return value;
    }
    return undefined;
  }
}

/** Does what lies at that place begin with these bytes? */
export function startsWith(memory: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false;
  for (let index = 0; index < prefix.length; index++) if (memory[start + index] !== prefix[index]) return false;
  return true;
}

function hashOf(memory: Uint8Array, start: number, end: number): number {
  return ((end - start) << 16) | ((memory[start] as number) << 8) | (memory[end - 1] as number);
}
