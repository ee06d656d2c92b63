import process from "node:process";
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { ScoreMessage } from "./attached-scores.ts";
import { AttachedLink, closeToAttached, type ProducerDrops } from "./buffer/attached-link.ts";
import { removeCrashLog } from "./buffer/crash-log-file.ts";
import { forgetRing } from "./buffer/ring.ts";
import { RingProducer } from "./buffer/ring-producer.ts";
import type { AttachedRing } from "./workers/messages.ts";

/** What a thread sends by the channel when it attaches. */
export interface RingAnnouncement {
  id: string;
  memory: SharedArrayBuffer;
}

/**
 * What a thread sends to the one that owns the buffer (`postMessageToThread`) before it announces its ring: a port whose
 * other end goes with the thread, however that ends. By the port come the thread's notices.
 */
export interface Lifeline {
  channel: string;
  ringId: string;
  port: MessagePort;
}

export interface ThreadNotice {
  level: "info" | "warn";
  message: string;
}

/** The sums of all attached threads, those that are gone included. */
export interface AttachedFigures {
  accepted: number;
  truncated: number;
  dropped: ProducerDrops & {
    /** Lost with a thread that was terminated: what it had beside its ring, and the span it was at. */
    "thread-ended": number;
  };
  /** In their rings. */
  ringBytes: number;
}

export interface AttachedRingsSetup {
  /** By this name threads announce their rings, and send their scores. */
  channel: string;
  /** Memory of the buffer's own ring. */
  lead: SharedArrayBuffer;
  /** There is a new ring. */
  onRing: (ring: AttachedRing) => void;
  /** A thread has given a score: a `ScoreEvent` as JSON. */
  onScore: (text: string) => void;
  onNotice: (level: "info" | "warn", message: string) => void;
}

interface Known {
  ring: AttachedRing;
  link: AttachedLink;
  /** To look into it, and to wake the pump. */
  view: RingProducer;
}

/**
 * The owner's list of attached threads' rings: for the pump, and for the one that follows it; for `stats()`; and for the
 * last moments of the process. A ring is announced by a broadcast channel, which its reader can look into without
 * returning to its event loop, so that a process that exits knows of all of them.
 */
export class AttachedRings {
  readonly #setup: AttachedRingsSetup;
  readonly #rings = new Map<string, Known>();
  readonly #past: AttachedFigures = noFigures();
  #channel: BroadcastChannel | undefined;
  #isClosed = false;

  constructor(setup: AttachedRingsSetup) {
    this.#setup = setup;
  }

  /** Begins to listen for threads that attach. */
  listen(): void {
    if (this.#channel !== undefined || this.#isClosed) return;
    this.#channel = new BroadcastChannel(this.#setup.channel);
    this.#channel.addEventListener("message", (event) => {
      this.#receive((event as unknown as { data: RingAnnouncement | ScoreMessage }).data);
    });
    this.#channel.unref();
    process.on("workerMessage", this.#onLifeline);
  }

  /** Takes in what has been announced up to now, without waiting for the event loop. */
  collect(): void {
    if (this.#channel === undefined) return;
    // Node takes a channel as well as a port; its types do not say so.
    const port = this.#channel as unknown as MessagePort;
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      this.#receive(next.message as RingAnnouncement | ScoreMessage);
    }
  }

  get list(): AttachedRing[] {
    return [...this.#rings.values()].map(({ ring }) => ring);
  }

  /** Is there nothing in their rings? */
  get isEmpty(): boolean {
    return [...this.#rings.values()].every(({ view }) => view.occupiedBytes() === 0);
  }

  /** To be read after the pump's figures, never before (attached-link.ts). */
  figures(): AttachedFigures {
    const sum = { ...this.#past, dropped: { ...this.#past.dropped } };
    for (const { link, view } of this.#rings.values()) {
      addUp(sum, link);
      sum.ringBytes += view.occupiedBytes();
    }
    return sum;
  }

  /** The pump has let go of a ring, after so many frames (modulo 2^32). */
  release(ringId: string, frames: number): void {
    const known = this.#rings.get(ringId);
    if (known === undefined) return;
    this.#rings.delete(ringId);
    forgetRing(known.view.capacityBytes);
    const { kept } = known.link;
    addUp(this.#past, known.link);
    this.#past.dropped["thread-ended"] += (kept - frames) >>> 0;
  }

  /** Threads find the buffer shut down: what ends from now on they drop. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeToAttached(this.#setup.lead);
    this.collect();
    this.#channel?.close();
    this.#channel = undefined;
    process.off("workerMessage", this.#onLifeline);
  }

  /** Everything that no pump has taken. What threads hold beside their rings is theirs alone. */
  undelivered(): Buffer[] {
    return [...this.#rings.values()].flatMap(({ view }) => view.unread());
  }

  /** All that is in them is elsewhere. */
  removeCrashLogs(directory: string): void {
    for (const id of this.#rings.keys()) {
      try {
        removeCrashLog(directory, id);
      } catch {
        // The next start finds it, and that the journal has all of it.
      }
    }
  }

  #receive(message: RingAnnouncement | ScoreMessage): void {
    if ("score" in message) this.#setup.onScore(message.score);
    else this.#add(message);
  }

  #add({ id, memory }: RingAnnouncement): void {
    const { lead, onRing } = this.#setup;
    const ring = { id, memory, lead };
    this.#rings.set(id, { ring, link: new AttachedLink(memory, lead), view: new RingProducer(memory, lead) });
    onRing(ring);
  }

  readonly #onLifeline = (message: unknown): void => {
    const { channel, ringId, port } = (message ?? {}) as Partial<Lifeline>;
    if (channel !== this.#setup.channel || port === undefined) return;
    port.on("close", () => this.#end(ringId as string));
    port.on("message", ({ level, message: text }: ThreadNotice) => this.#setup.onNotice(level, text));
    port.unref();
  };

  #end(ringId: string): void {
    // A thread that ended at once may be gone before its ring was heard of.
    this.collect();
    const known = this.#rings.get(ringId);
    known?.link.end();
    known?.view.wake();
  }
}

function addUp(sum: AttachedFigures, link: AttachedLink): void {
  // Before `accepted`: a drop is counted after it.
  const { dropped, truncated } = link;
  sum.truncated += truncated;
  for (const reason of ["memory-full", "shut-down", "sampled-out"] as const) sum.dropped[reason] += dropped[reason];
  sum.accepted += link.accepted;
}

function noFigures(): AttachedFigures {
  const dropped = { "memory-full": 0, "shut-down": 0, "sampled-out": 0, "thread-ended": 0 };
  return { accepted: 0, truncated: 0, dropped, ringBytes: 0 };
}
