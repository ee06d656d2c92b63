import type { PumpMessage } from "./messages.ts";

/** The same notice again within this time is counted, not said. */
const quietMs = 60_000;

/** Says things to the caller's logger, each kind at most once a minute, and counts what it kept back. */
export class Announcer {
  readonly #post: (message: PumpMessage) => void;
  readonly #said = new Map<string, { atMs: number; suppressed: number }>();
  #lastError: string | undefined;

  constructor(post: (message: PumpMessage) => void) {
    this.#post = post;
  }

  /** @param kind what makes two notices the same; the texts may differ. */
  say(kind: string, level: "info" | "warn", message: string): void {
    const nowMs = performance.now();
    const before = this.#said.get(kind);
    if (before !== undefined && nowMs - before.atMs < quietMs) {
      before.suppressed++;
      return;
    }
    const again =
      before !== undefined && before.suppressed > 0 ? ` (and ${before.suppressed} times since the last notice)` : "";
    this.#said.set(kind, { atMs: nowMs, suppressed: 0 });
    this.#post({ type: "notice", level, message: message + again });
  }

  /** The next notice of this kind is news. */
  reset(kind: string): void {
    this.#said.delete(kind);
  }

  /** What `stats().lastError` shows. */
  lastError(message: string | undefined): void {
    if (message === this.#lastError) return;
    this.#lastError = message;
    this.#post({ type: "last-error", message });
  }
}
