import { BroadcastChannel } from "node:worker_threads";
import type { AttachedLink } from "./buffer/attached-link.ts";
import { serialise } from "./buffer/serialise.ts";
import type { SpanPayload } from "./buffer/span-payload.ts";
import type { ScoreEvent, ScoreSink } from "./tracing/score.ts";

/** What an attached thread sends by the buffer's channel: a `ScoreEvent` in its stored form. */
export interface ScoreMessage {
  score: string;
}

/** Of one attached thread; those that were handed over are in the buffer's `stats().scores`. */
export interface AttachedScoreStats {
  accepted: number;
  dropped: { "shut-down": number; "sampled-out": number };
}

/**
 * An attached thread's scores. They are few, and most buffers never see one, so they have no ring: each goes by a message to
 * the thread that owns the buffer, which finds it there even if this one ends right afterwards.
 */
export class AttachedScores implements ScoreSink {
  readonly #channelName: string;
  readonly #link: AttachedLink;
  readonly #maxBytes: number;
  #channel: BroadcastChannel | undefined;
  #isOver = false;
  #accepted = 0;
  #shutDown = 0;
  #sampledOut = 0;

  /** @param link tells when the buffer has been shut down. */
  constructor(channelName: string, link: AttachedLink, maxBytes: number) {
    this.#channelName = channelName;
    this.#link = link;
    this.#maxBytes = maxBytes;
  }

  offer(event: ScoreEvent): boolean {
    this.#accepted++;
    if (this.#isOver || this.#link.isBufferClosed) {
      this.#shutDown++;
      return false;
    }
    // With the first: a channel costs more than a score.
    this.#channel ??= openChannel(this.#channelName);
    const { text } = serialise(event as unknown as SpanPayload, this.#maxBytes);
    this.#channel.postMessage({ score: text } satisfies ScoreMessage);
    return true;
  }

  sampleOut(): false {
    this.#accepted++;
    this.#sampledOut++;
    return false;
  }

  stats(): AttachedScoreStats {
    return { accepted: this.#accepted, dropped: { "shut-down": this.#shutDown, "sampled-out": this.#sampledOut } };
  }

  /** What comes from now on is dropped, and counted. */
  end(): void {
    this.#isOver = true;
    this.#channel?.close();
  }
}

function openChannel(name: string): BroadcastChannel {
  const channel = new BroadcastChannel(name);
  channel.unref();
  return channel;
}
