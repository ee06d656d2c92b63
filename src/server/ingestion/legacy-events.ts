/**
 * The traces and observations of Langfuse's old SDKs, from the moment they are committed (buffer/held-events.ts) to the
 * moment they are in a journal:
 *
 *     held ── the server takes events ──► as they came, in order ───────────────────────► project.events
 *          └─ it does not any more ─────► whole observations, merged, with their trace ──► project.spans
 *
 * While Langfuse is away and may be another when it is back they stay held. What is on its way to a journal is removed
 * here when it is committed there: a crash in between repeats it, and loses nothing.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { HeldEvents } from "../../buffer/held-events.ts";
import type { Patience } from "../../buffer/held-events-schema.ts";
import {
  adoptHeldEvents,
  type HeldFilesSetup,
  hasHeldFiles,
  type OpenHeldEvents,
  openHeldEvents,
} from "../../buffer/held-files.ts";
import type { IngestionEvent } from "../../export/ingestion.ts";
import type { Transport } from "../../workers/messages.ts";
import type { Log, Project } from "../context.ts";
import { heldEvent, storedEvent } from "./describe-event.ts";
import { type Departure, departEvents, departSpans, type LegacySinks } from "./departures.ts";
import { ServerRoute } from "./server-route.ts";

const minuteMs = 60_000;

const defaultPatience: Patience = {
  // A moment for what comes in the same or the next request; half a minute for an SDK that ends what it has answered;
  // and as long as anything of its trace comes for what is open.
  observation: [10 * minuteMs, minuteMs / 2, 1_000],
  // Its output often comes last, or in another request than its observations.
  trace: [minuteMs / 2, minuteMs / 2, 10_000],
};

/** How long a trace's fields wait for more of its observations. */
const keepTraceMs = 60 * minuteMs;
const defaultMaxBytes = 256 * 1024 * 1024;

/** From this share of the room on, what waits for Langfuse goes as spans, which every server can be given. */
const pressedShare = 0.5;

/** Between two looks, at least and at most. */
const shortestNapMs = 50;
const longestNapMs = 30_000;
/** When a buffer takes nothing, or the file fails. */
const troubleNapMs = 1_000;

const entitiesAtOnce = 200;

export interface LegacyEventsSetup {
  /** Of the files; made with the first event. */
  directory: string;
  project: LegacySinks & Pick<Project, "name" | "destination">;
  transport: Transport | "auto";
  log: Log;
  /** For tests. */
  patience?: Patience;
  maxBytes?: number;
}

export class LegacyEvents {
  readonly #setup: LegacyEventsSetup;
  readonly #files: HeldFilesSetup;
  readonly #maxBytes: number;
  readonly #patience: Patience;
  readonly #route: ServerRoute;
  #open: OpenHeldEvents | undefined;
  #departure: Departure | undefined;
  #turn: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #adoptAtMs = 0;
  #closing: Promise<void> | undefined;
  #trouble: string | undefined;

  /** Begins at once with what an earlier process left. Never throws. */
  constructor(setup: LegacyEventsSetup) {
    const { directory, project, transport, patience = defaultPatience, maxBytes = defaultMaxBytes } = setup;
    const { baseUrl, publicKey } = project.destination;
    this.#setup = setup;
    this.#maxBytes = maxBytes;
    this.#patience = patience;
    this.#route = new ServerRoute(project.destination, transport);
    this.#files = {
      directory,
      owner: { baseUrl, publicKey: publicKey === "" ? undefined : publicKey },
      limits: { patience, keepTraceMs, maxBytes },
      describe: storedEvent,
      onNotice: (message) => this.#warn(message),
    };
    try {
      if (hasHeldFiles(this.#files)) this.#wake(0);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Bytes of the events that wait; 0 while none has come since the start. */
  get heldBytes(): number {
    return this.#open?.events.bytes ?? 0;
  }

  /** Why events could not be held, or not sent on, the last time it was tried; undefined: all is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Commits events of traces and observations, all or none. Returns how many were here already.
   *
   * @throws Error, for people, when they cannot be committed.
   */
  hold(events: readonly IngestionEvent[]): number {
    if (this.#closing !== undefined) throw new Error("the sidecar is shutting down");
    try {
      const repeated = this.#held().add(events.map(heldEvent), Date.now());
      this.#trouble = undefined;
      this.#wake(shortestNapMs);
      return repeated;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /**
   * Sends on what is complete, leaves the rest to the next process, and closes the file. To be called before the
   * project's buffers are shut down. Never rejects.
   */
  close(limitMs: number): Promise<void> {
    this.#closing ??= this.#close(limitMs);
    return this.#closing;
  }

  #held(): HeldEvents {
    this.#open ??= openHeldEvents(this.#files);
    return this.#open.events;
  }

  #wake(inMs: number): void {
    if (this.#turn !== undefined || this.#closing !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#turn = this.#takeTurn().then((napMs) => {
        this.#turn = undefined;
        this.#wake(napMs);
      });
    }, inMs);
    this.#timer.unref();
  }

  /** Returns how long there is nothing to do, in milliseconds. Never rejects. */
  async #takeTurn(): Promise<number> {
    try {
      const held = this.#held();
      this.#adopt();
      if (!(await this.#isDeparted())) return shortestNapMs;
      const nowMs = Date.now();
      held.forget(nowMs);
      const dueMs = held.nextDueMs();
      if (dueMs === undefined) return longestNapMs;
      const isPressed = held.bytes > this.#maxBytes * pressedShare;
      const route = (await this.#route.current()) ?? (isPressed ? "spans" : undefined);
      if (this.#closing !== undefined) return 0;
      if (route === undefined) return clamped(this.#route.askAgainAtMs - performance.now());
      const { project } = this.#setup;
      if ((route === "events" ? project.events : project.spans).trouble !== undefined) return troubleNapMs;
      this.#departure =
        route === "events"
          ? departEvents(held, project)
          : departSpans(held, project, this.#patience, held.due(Date.now(), entitiesAtOnce));
      if (this.#departure !== undefined) return 0;
      this.#trouble = undefined;
      return route === "events" ? troubleNapMs : clamped((held.nextDueMs() ?? Number.POSITIVE_INFINITY) - Date.now());
    } catch (error) {
      // Closed meanwhile.
      if (this.#closing !== undefined) return 0;
      this.#fail(error);
      return troubleNapMs;
    }
  }

  /** Is what was handed over last committed there, and recorded here? */
  async #isDeparted(): Promise<boolean> {
    if (this.#departure === undefined) return true;
    if (!(await this.#departure.committed(1_000))) return false;
    this.#departure.record();
    this.#departure = undefined;
    return true;
  }

  /** Of processes that have died since. */
  #adopt(): void {
    if (this.#open === undefined || performance.now() < this.#adoptAtMs) return;
    this.#adoptAtMs = performance.now() + minuteMs;
    adoptHeldEvents(this.#files, this.#open);
  }

  async #close(limitMs: number): Promise<void> {
    clearTimeout(this.#timer);
    const deadlineMs = performance.now() + limitMs;
    try {
      await Promise.race([this.#turn, pause(limitMs, undefined, { ref: false })]);
      if (this.#open !== undefined) await this.#sendComplete(this.#open.events, deadlineMs);
    } catch (error) {
      this.#fail(error);
    }
    try {
      this.#open?.close();
    } catch (error) {
      this.#fail(error);
    }
    this.#open = undefined;
  }

  async #sendComplete(held: HeldEvents, deadlineMs: number): Promise<void> {
    const { project } = this.#setup;
    const route = this.#route.known;
    while (performance.now() < deadlineMs) {
      if (this.#departure === undefined && route === "events") this.#departure = departEvents(held, project);
      else if (this.#departure === undefined && route === "spans") {
        this.#departure = departSpans(held, project, undefined, held.complete(entitiesAtOnce));
      }
      if (this.#departure === undefined) return;
      if (!(await this.#departure.committed(Math.max(0, deadlineMs - performance.now())))) return;
      this.#departure.record();
      this.#departure = undefined;
    }
  }

  /** The next use opens the file again; a damaged one is set aside then. */
  #fail(error: unknown): void {
    const { code = "", message } = error as { code?: string; message: string };
    if (/^SQLITE_(CORRUPT|NOTADB|IOERR|CANTOPEN|READONLY)/.test(code) && this.#open !== undefined) {
      const broken = this.#open;
      this.#open = undefined;
      this.#departure = undefined;
      try {
        broken.close();
      } catch {
        // It is left as it is.
      }
    }
    if (message === this.#trouble) return;
    this.#trouble = message;
    this.#warn(`the events of old SDKs cannot be held: ${message}`);
  }

  #warn(message: string): void {
    const { log, project } = this.#setup;
    log.warn({ project: project.name }, message);
  }
}

function clamped(napMs: number): number {
  return Math.min(Math.max(napMs, shortestNapMs), longestNapMs);
}
