import { Buffer } from "node:buffer";
import { maskStored } from "../mask/mask-stored.ts";
import type { ValueMask } from "../mask/mask-tree.ts";
import type { ConstantFields } from "./constant-fields.ts";
import type { CrashLog } from "./crash-log.ts";
import { mostFlatUnits } from "./flat-span.ts";
import { encodeFrame, frameKind, type SpanFrameKind } from "./frame.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { Overflow } from "./overflow.ts";
import { Pulse } from "./pulse.ts";
import { RingProducer } from "./ring-producer.ts";
import { serialise } from "./serialise.ts";
import type { SpanPayload } from "./span-payload.ts";

/** Bytes moved from the overflow into the ring in one go on the caller's thread: about 50 µs of copying. */
const moveBytes = 256 * 1024;

/** Payloads that a call which finds the overflow in use moves on the way: more than one, or it would never empty. */
const moveBytesPerCall = 8 * 1024;

/** Looking at the clock twice costs a twentieth of a call: one call in so many, the first among them, is measured. */
const measuredEvery = 8;

/** A span that was taken, and has not been let in. */
export interface TakenSpan {
  text: string;
  constants: ConstantFields | undefined;
  truncated: boolean;
}

export interface IntakeOptions {
  ring: SharedArrayBuffer;
  /** The leading ring's memory, when the ring is one of an attached thread. */
  lead?: SharedArrayBuffer;
  maxSpanBytes: number;
  /** Bound of the memory beside the ring. */
  maxMemoryBytes: number;
  /** With durability `strict`. */
  crashLog?: CrashLog | undefined;
  /** Hides values before anything, ring and crash log included, has them. */
  mask?: ValueMask | undefined;
}

/**
 * The caller's end of the way: takes a finished span, keeps its values of this moment, and returns. Never throws,
 * waits or does I/O (P1). What the ring cannot hold waits in `Overflow` and follows in order; a timer that keeps no
 * process alive moves it, since the caller may never call again.
 */
export class Intake {
  readonly ring: RingProducer;
  readonly #latencyNanos = new LatencyHistogram();
  readonly #overflow: Overflow;
  readonly #pulse: Pulse;
  readonly maxSpanBytes: number;
  /** The longest flat span that can be taken, in UTF-16 units; 0: none. */
  readonly mostFlatUnits: number;
  readonly #crashLog: CrashLog | undefined;
  readonly #mask: ValueMask | undefined;
  #mover: NodeJS.Timeout | undefined;
  #closed = false;
  #accepted = 0;
  #truncated = 0;
  #droppedMemoryFull = 0;
  #droppedShutDown = 0;
  #droppedSampledOut = 0;
  #droppedFiltered = 0;

  constructor(options: IntakeOptions) {
    this.ring = new RingProducer(options.ring, options.lead);
    this.#overflow = new Overflow(options.maxMemoryBytes);
    this.#pulse = new Pulse(this.ring);
    this.maxSpanBytes = options.maxSpanBytes;
    this.#crashLog = options.crashLog;
    this.#mask = options.mask;
    // What is to be masked must be JSON first.
    this.mostFlatUnits = options.mask === undefined ? mostFlatUnits(options.maxSpanBytes) : 0;
  }

  /** Takes one span with its constants; `false`: it was dropped, and counted under its reason. */
  offer(payload: SpanPayload, constants?: ConstantFields): boolean {
    if (!this.#admit()) return false;
    if (this.#accepted % measuredEvery !== 1) return this.#keep(payload, constants);
    const startMs = performance.now();
    const kept = this.#keep(payload, constants);
    this.#latencyNanos.record((performance.now() - startMs) * 1e6);
    return kept;
  }

  /** As `offer`, for a span in its flat form (flat-span.ts) of at most `mostFlatUnits`, its constants included. */
  offerFlat(text: string, constants: ConstantFields | undefined): boolean {
    if (!this.#admit()) return false;
    if (this.#accepted % measuredEvery !== 1) return this.#push(text, constants, frameKind.flatSpan);
    const startMs = performance.now();
    const kept = this.#push(text, constants, frameKind.flatSpan);
    this.#latencyNanos.record((performance.now() - startMs) * 1e6);
    return kept;
  }

  /** Counts a span that sampling has excluded. */
  sampleOut(): false {
    this.#accepted++;
    this.#droppedSampledOut++;
    return false;
  }

  /** Counts a span that a filter has excluded. */
  filterOut(): false {
    this.#accepted++;
    this.#droppedFiltered++;
    return false;
  }

  /** Keeps the span's values of this moment, for `offerTaken`. It is not counted yet. */
  take(payload: SpanPayload, constants: ConstantFields | undefined): TakenSpan {
    return this.#serialise(payload, constants);
  }

  /** As `offer`, for a span that was taken before. */
  offerTaken({ text, constants, truncated }: TakenSpan): boolean {
    if (!this.#admit()) return false;
    if (truncated) this.#truncated++;
    return this.#push(text, constants);
  }

  /** From now on spans are dropped, and counted. */
  close(): void {
    this.#closed = true;
    this.#pulse.end();
  }

  get accepted(): number {
    return this.#accepted;
  }

  /** What a call has cost this thread. */
  get enqueueMicros(): { p50: number; p99: number; max: number } {
    const nanos = this.#latencyNanos;
    return { p50: nanos.quantile(0.5) / 1000, p99: nanos.quantile(0.99) / 1000, max: nanos.max / 1000 };
  }

  get truncated(): number {
    return this.#truncated;
  }

  get dropped(): { "memory-full": number; "shut-down": number; "sampled-out": number; filtered: number } {
    return {
      "memory-full": this.#droppedMemoryFull,
      "shut-down": this.#droppedShutDown,
      "sampled-out": this.#droppedSampledOut,
      filtered: this.#droppedFiltered,
    };
  }

  /** Spans that are on their way to the pump, given how many it has taken. */
  waiting(taken: number): number {
    return this.ring.sequence - taken + this.#overflow.count;
  }

  get overflowCount(): number {
    return this.#overflow.count;
  }

  /**
   * Moves all that waits into the ring and blocks until the pump has committed it, or the time is over; for the last
   * moments of a process. Returns whether nothing is left.
   */
  drainBlocking(timeoutMs: number): boolean {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      this.#overflow.moveTo(this.ring, Number.POSITIVE_INFINITY);
      const leftMs = deadlineMs - performance.now();
      if (this.ring.waitUntilRead(Math.max(0, Math.min(leftMs, 20))) && this.#overflow.count === 0) return true;
      if (leftMs <= 0) return false;
    }
  }

  /** Everything that no pump has taken, oldest first. It stays counted as waiting: in a spill file it still is. */
  undelivered(): Buffer[] {
    clearTimeout(this.#mover);
    return [...this.ring.unread(), ...this.#overflow.payloads()];
  }

  /** Counts one more span; `false`: it comes after the end. */
  #admit(): boolean {
    this.#accepted++;
    if (this.#closed) {
      this.#droppedShutDown++;
      return false;
    }
    if (!this.#pulse.isBeating) this.#pulse.begin();
    return true;
  }

  #keep(payload: SpanPayload, constants: ConstantFields | undefined): boolean {
    const taken = this.#serialise(payload, constants);
    if (taken.truncated) this.#truncated++;
    return this.#push(taken.text, taken.constants);
  }

  #serialise(payload: SpanPayload, constants: ConstantFields | undefined): TakenSpan {
    const maxBytes = this.maxSpanBytes - (constants === undefined ? 0 : constants.bytes.length);
    const { text, truncated } = serialise(payload, maxBytes);
    if (this.#mask === undefined) return { text, constants, truncated };
    // Masked after it was cut, so that what a span of 100 MB costs stays bounded; and with what it shares with others.
    const masked = maskStored(wholeText(text, constants), this.#mask);
    if (Buffer.byteLength(masked) <= this.maxSpanBytes) return { text: masked, constants: undefined, truncated };
    return { ...serialise(JSON.parse(masked) as SpanPayload, this.maxSpanBytes), constants: undefined };
  }

  #push(text: string, constants: ConstantFields | undefined, kind: SpanFrameKind = frameKind.span): boolean {
    if (this.#overflow.count > 0) this.#overflow.moveTo(this.ring, moveBytesPerCall);
    if (this.#overflow.count === 0 && this.ring.pushText(text, constants?.bytes, kind)) {
      if (this.#crashLog !== undefined) this.#logFrame(this.#crashLog);
      return true;
    }
    const whole = wholeText(text, constants);
    if (!this.#overflow.push(whole, kind)) {
      this.#droppedMemoryFull++;
      return false;
    }
    if (this.#crashLog !== undefined) this.#logWaiting(this.#crashLog, whole, kind);
    if (this.#mover === undefined) this.#mover = setTimeout(this.#move, 1).unref();
    return true;
  }

  #logFrame(crashLog: CrashLog): void {
    const { memory, offset, bytes } = this.ring.lastFrame;
    crashLog.append(memory, offset, bytes, this.ring.sequence);
  }

  /** What waits beside the ring enters it in order, so its number is known already. */
  #logWaiting(crashLog: CrashLog, text: string, kind: SpanFrameKind): void {
    const sequence = this.ring.sequence + this.#overflow.count;
    const frame = encodeFrame(Buffer.from(text), sequence | 0, kind);
    crashLog.append(frame, 0, frame.length, sequence);
  }

  readonly #move = (): void => {
    this.#mover = undefined;
    this.#overflow.moveTo(this.ring, moveBytes);
    if (this.#overflow.count > 0) this.#mover = setTimeout(this.#move, 1).unref();
  };
}

/** A span's text with what it shares with others. */
function wholeText(text: string, constants: ConstantFields | undefined): string {
  return constants === undefined ? text : text.slice(0, -1) + constants.text;
}
