import { bytesOf, type PendingSpan } from "./batch.ts";

export interface WindowLimits {
  maxSpans: number;
  maxBytes: number;
}

/**
 * The part of the queue that is in memory, oldest first: at most `maxSpans` spans and about `maxBytes` bytes. What
 * does not fit stays in the journal alone and is loaded when there is room; while anything does, newer spans go behind
 * it, so the order holds.
 */
export class Window {
  readonly #limits: WindowLimits;
  #spans: PendingSpan[] = [];
  #head = 0;
  #bytes = 0;
  /** Every pending span up to this id is here or has been handed out; what follows is in the journal alone. */
  #loadedThroughId: number;
  /** Are there spans in the journal behind `loadedThroughId`? */
  #hasUnloaded: boolean;

  constructor(limits: WindowLimits, loadedThroughId: number, hasUnloaded: boolean) {
    this.#limits = limits;
    this.#loadedThroughId = loadedThroughId;
    this.#hasUnloaded = hasUnloaded;
  }

  get count(): number {
    return this.#spans.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): PendingSpan | undefined {
    return this.#spans[this.#head];
  }

  get loadedThroughId(): number {
    return this.#loadedThroughId;
  }

  get hasUnloaded(): boolean {
    return this.#hasUnloaded;
  }

  get isFull(): boolean {
    return this.count >= this.#limits.maxSpans || this.#bytes >= this.#limits.maxBytes;
  }

  /** Room left, for a load from the journal. */
  get room(): { spans: number; bytes: number } {
    return { spans: this.#limits.maxSpans - this.count, bytes: this.#limits.maxBytes - this.#bytes };
  }

  /** A new span, the newest of all. It must be in the journal, unless `hasRoomFor` has said that it fits. */
  append(span: PendingSpan): void {
    if (this.hasRoomFor(1, span.payload.length)) this.#push(span);
    else this.#hasUnloaded = true;
  }

  /** Would all of so many new spans find room, behind those that are here? */
  hasRoomFor(spans: number, bytes: number): boolean {
    if (this.#hasUnloaded) return false;
    return this.count + spans <= this.#limits.maxSpans && this.#bytes + bytes <= this.#limits.maxBytes;
  }

  /** Spans read from the journal after `loadedThroughId`; `isAll`: nothing is left there behind them. */
  load(spans: readonly PendingSpan[], isAll: boolean): void {
    for (const span of spans) this.#push(span);
    if (isAll) this.#hasUnloaded = false;
  }

  /** Takes the oldest spans out: at most so many and so many bytes, but at least one. */
  shift(maxSpans: number, maxBytes: number): PendingSpan[] {
    const taken: PendingSpan[] = [];
    let bytes = 0;
    while (taken.length < maxSpans) {
      const span = this.#spans[this.#head];
      if (span === undefined || (taken.length > 0 && bytes + span.payload.length > maxBytes)) break;
      this.#spans[this.#head++] = undefined as unknown as PendingSpan;
      bytes += span.payload.length;
      taken.push(span);
    }
    this.#bytes -= bytes;
    if (this.#head > 1024 && this.#head * 2 > this.#spans.length) this.#compact();
    return taken;
  }

  /** These spans have been dropped from the journal. Those that are in memory alone stay. */
  forget(ids: readonly number[]): void {
    const dropped = new Set(ids);
    this.#spans = [...this].filter((span) => !dropped.has(span.id));
    this.#head = 0;
    this.#bytes = bytesOf(this.#spans);
    this.#loadedThroughId = Math.max(this.#loadedThroughId, ids.at(-1) ?? 0);
  }

  *[Symbol.iterator](): Generator<PendingSpan> {
    for (let index = this.#head; index < this.#spans.length; index++) yield this.#spans[index] as PendingSpan;
  }

  #push(span: PendingSpan): void {
    this.#spans.push(span);
    this.#bytes += span.payload.length;
    this.#loadedThroughId = span.id;
  }

  #compact(): void {
    this.#spans = this.#spans.slice(this.#head);
    this.#head = 0;
  }
}
