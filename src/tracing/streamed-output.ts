import { StringDecoder } from "node:string_decoder";
import { chunkText } from "./chunk-text.ts";

/** Chunks without text that are kept, each as the object it is. */
const maxItems = 100;

/** What a stream has brought, as one value: the joined text, or the chunks themselves when there is no text in them. */
export class StreamedOutput {
  readonly #transform: ((chunk: unknown) => unknown) | undefined;
  readonly #maxBytes: number;
  #decoder: StringDecoder | undefined;
  #text = "";
  #items: unknown[] = [];
  #itemCount = 0;

  constructor(maxBytes: number, transform: ((chunk: unknown) => unknown) | undefined) {
    this.#maxBytes = maxBytes;
    this.#transform = transform;
  }

  /** Returns whether the chunk brought anything. May throw what the caller's code throws. */
  add(chunk: unknown): boolean {
    const part = this.#transform === undefined ? chunk : this.#transform(chunk);
    const text = typeof part === "string" ? part : this.#textOf(part);
    if (text === undefined) return this.#addItem(part);
    // So many characters are at least as many bytes; where exactly the limit is shows at the end.
    const room = this.#maxBytes + 1 - this.#text.length;
    if (room > 0) this.#text += text.length > room ? text.slice(0, room) : text;
    return text !== "";
  }

  value(): unknown {
    if (this.#text !== "") return this.#boundText();
    if (this.#itemCount === 0) return undefined;
    const more = this.#itemCount - this.#items.length;
    return more === 0 ? this.#items : [...this.#items, `[${more} more chunks]`];
  }

  #textOf(part: unknown): string | undefined {
    if (!(part instanceof Uint8Array)) return chunkText(part);
    this.#decoder ??= new StringDecoder();
    return this.#decoder.write(part);
  }

  #addItem(part: unknown): boolean {
    if (part === undefined || part === null) return false;
    this.#itemCount++;
    if (this.#items.length < maxItems) this.#items.push(part);
    return true;
  }

  #boundText(): string {
    if (Buffer.byteLength(this.#text) <= this.#maxBytes) return this.#text;
    const cut = Buffer.from(this.#text.slice(0, this.#maxBytes)).subarray(0, this.#maxBytes);
    // A character that was cut in two becomes U+FFFD.
    return `${cut.toString().replace(/\ufffd$/, "")}[cut to ${this.#maxBytes} bytes]`;
  }
}
