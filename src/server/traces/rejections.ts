import { isSpanId } from "../../otlp/span-identity.ts";

/** So many are named in an answer; the others are counted. */
const mostNamed = 5;

/** The spans of a request that Langfuse could never store. */
export class Rejections {
  count = 0;
  /** Reason → spans. */
  readonly byReason: Map<string, number> = new Map();
  readonly #named: string[] = [];

  /** @param index its place in the request, for want of an id. */
  add(index: number, spanId: string | undefined, reason: string): void {
    this.count++;
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + 1);
    if (this.#named.length === mostNamed) return;
    const name = isSpanId(spanId) ? spanId : `number ${index + 1} of the request`;
    this.#named.push(`span ${name}: ${reason}`);
  }

  /** For the client. */
  get message(): string {
    const more = this.count - this.#named.length;
    return `${this.#named.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  }
}
