import type { Announcer } from "./announcer.ts";
import { holdProbeMs } from "./circuit.ts";
import type { Transport } from "./messages.ts";

/**
 * What the sender says to people, in one place: what was wrong (the reason, from src/export/classify.ts, says what to
 * mend), what becomes of the spans, and what to do when it goes on.
 */
export class SenderNotices {
  readonly #announcer: Announcer;
  readonly #server: string;

  constructor(announcer: Announcer, baseUrl: string) {
    this.#announcer = announcer;
    this.#server = `Langfuse at ${baseUrl}`;
  }

  keysMissing(): void {
    this.#announcer.say(
      "keys-missing",
      "warn",
      "no Langfuse keys: spans are kept in the journal; set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (or the options publicKey and secretKey) and restart to deliver them",
    );
  }

  away(reason: string): void {
    this.#announcer.say(
      "away",
      "warn",
      `${this.#server} cannot take spans: ${reason}. They are kept and sent once it can`,
    );
  }

  pause(durationMs: number, reason: string): void {
    this.#announcer.say(
      "pause",
      "warn",
      `${this.#server} asks for a pause of ${Math.ceil(durationMs / 1_000)} s: ${reason}. Spans are kept and sent after it; if it asks often, have its limit raised or lower sampleRate`,
    );
  }

  held(reason: string): void {
    this.#announcer.say(
      "held",
      "warn",
      `${this.#server} refuses the keys: ${reason}. Spans are kept; it is asked again every ${holdProbeMs / 1_000} s, and with flush(); other keys need a restart`,
    );
  }

  /** The first success after any of these. */
  back(waitingSpans: number): void {
    this.#announcer.say("back", "info", `${this.#server} takes spans again; ${waitingSpans} wait`);
    this.#announcer.reset("held");
  }

  changedTransport(transport: Transport | "auto", reason: string): void {
    this.#announcer.say("transport", "info", `changed to the ${transport} route: ${reason}`);
  }
}
