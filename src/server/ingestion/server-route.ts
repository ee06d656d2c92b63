import { discover, forgetServer } from "../../export/discover.ts";
import { takesEvents } from "../../export/event-kinds.ts";
import type { Destination, Transport } from "../../workers/messages.ts";

/** Where traces and observations go: as the events they are, or merged into spans. */
export type LegacyRoute = "events" | "spans";

/** How long an answer counts. No server goes back from spans to events; a server that takes events may be upgraded. */
const validMs: Readonly<Record<LegacyRoute, number>> = { events: 30_000, spans: 10 * 60_000 };

const askTimeoutMs = 5_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

/** Which of the two routes this server has, as far as it is known. */
export class ServerRoute {
  readonly #destination: Destination;
  readonly #fixed: LegacyRoute | undefined;
  #known: LegacyRoute | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = firstPauseMs;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(destination: Destination, transport: Transport | "auto") {
    this.#destination = destination;
    this.#fixed = transport === "auto" ? undefined : transport === "ingestion" ? "events" : "spans";
  }

  /** Undefined: Langfuse is away, and may be another when it is back. Never rejects. */
  async current(): Promise<LegacyRoute | undefined> {
    if (this.#fixed !== undefined) return this.#fixed;
    const nowMs = performance.now();
    const isValid = this.#known !== undefined && nowMs - this.#askedAtMs < validMs[this.#known];
    if (isValid) return this.#known;
    if (nowMs >= this.#askAgainAtMs) await this.#ask();
    return this.#known;
  }

  /** What is known without asking. */
  get known(): LegacyRoute | undefined {
    return this.#fixed ?? this.#known;
  }

  /** When it makes sense to ask for it again (`performance.now()`). */
  get askAgainAtMs(): number {
    return this.#askAgainAtMs;
  }

  async #ask(): Promise<void> {
    // What this thread remembers is older than it may be.
    forgetServer(this.#destination);
    const { server } = await discover(this.#destination, askTimeoutMs, { requests: 0 });
    const nowMs = performance.now();
    if (server === undefined) {
      if (this.#known === "events") this.#known = undefined;
      this.#askAgainAtMs = nowMs + this.#pauseMs;
      this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
      return;
    }
    this.#known = takesEvents(server) ? "events" : "spans";
    this.#askedAtMs = nowMs;
    this.#pauseMs = firstPauseMs;
    this.#askAgainAtMs = nowMs;
  }
}
