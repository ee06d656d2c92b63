/**
 * From the spans of a request to the journal, in two steps: they are offered at once, then the request waits for the
 * journal's next commit, as all requests of that moment do; none waits for another's to be written first. Nobody is told
 * that a span is stored before it is.
 */
import { setImmediate } from "node:timers/promises";
import type { SpanPayload } from "../../buffer/span-payload.ts";
import { identityFault } from "../../otlp/span-identity.ts";
import type { SourceSpan, SpanSource } from "../../otlp/span-source.ts";
import type { Project, ServerContext } from "../context.ts";
import { createEnricher, type Enricher } from "../enrich/enricher.ts";
import { isCommitted, type Offering } from "../offering.ts";
import type { TraceDefaults } from "../options.ts";
import { payloadOf } from "./payload.ts";
import { RecentSpans } from "./recent-spans.ts";
import { Rejections } from "./rejections.ts";
import { addTraceDefaults } from "./trace-defaults.ts";

/**
 * Spans that are objects at the same time, and decoded without a pause: the other requests, and the commits, have their
 * turn in between. OpenTelemetry's SDKs send up to 512 at once.
 */
const chunkSpans = 512;
const chunkBytes = 1024 * 1024;

interface ProjectState {
  enricher: Enricher;
  recent: RecentSpans;
}

/** What became of the spans of a request. It holds none of them: they are the journal's now. */
export interface Tally {
  readonly rejections: Rejections;
  readonly offering: Offering;
  offered: number;
  repeated: number;
  /** Everything up to this number must be committed. */
  sequence: number;
  /** The buffer had no room for one of them, so there is nothing to wait for. */
  isRefused: boolean;
}

export class SpanReceiver {
  readonly #context: ServerContext;
  /** A project that is configured no more takes its state along. */
  readonly #states = new WeakMap<Project, ProjectState>();

  constructor(context: ServerContext) {
    this.#context = context;
  }

  /** @param bytes of the request, decompressed. */
  async offer(project: Project, source: SpanSource, bytes: number, defaults: TraceDefaults): Promise<Tally> {
    const offering: Offering = { sequence: 0, isLost: false };
    const rejections = new Rejections();
    const tally: Tally = { rejections, offering, offered: 0, repeated: 0, sequence: 0, isRefused: false };
    const perChunk = Math.min(chunkSpans, Math.max(1, Math.floor((chunkBytes * source.count) / Math.max(1, bytes))));
    for (let start = 0; start < source.count && !tally.isRefused; start += perChunk) {
      if (start > 0) await setImmediate();
      const fresh = this.#read(project, source, start, Math.min(source.count, start + perChunk), tally);
      this.#offer(project, fresh, defaults, tally);
    }
    return tally;
  }

  /** Resolves true when all that was offered, now or before, is committed. */
  async committed(project: Project, tally: Tally): Promise<boolean> {
    const { offering, offered, repeated, rejections } = tally;
    const { metrics, options } = this.#context;
    if (
      offered + repeated > 0 &&
      !(await isCommitted(project.spans, tally.sequence, offering, options.commitTimeoutMs))
    ) {
      return false;
    }
    if (offered > 0) metrics.accepted(project.name, "span", offered);
    if (repeated > 0) metrics.repeated(project.name, "span", repeated);
    for (const [reason, count] of rejections.byReason) metrics.rejected(project.name, "span", reason, count);
    return true;
  }

  /** Those that have not come before, without those that could never be stored. */
  #read(project: Project, source: SpanSource, start: number, end: number, tally: Tally): SpanPayload[] {
    const { recent } = this.#stateOf(project);
    const fresh: SpanPayload[] = [];
    for (let index = start; index < end; index++) {
      const found = source.at(index);
      const fault = "fault" in found ? found.fault : identityFault(found.span);
      if (fault !== undefined) {
        tally.rejections.add(index, "fault" in found ? found.spanId : found.span.spanId, fault);
        continue;
      }
      const { checksum } = found as SourceSpan;
      const payload = payloadOf(found as SourceSpan);
      const before = recent.find(payload.traceId, payload.spanId, checksum);
      if (before === undefined) {
        recent.add(payload.traceId, payload.spanId, checksum, tally.offering);
        fresh.push(payload);
      } else {
        tally.repeated++;
        tally.sequence = Math.max(tally.sequence, before.sequence);
      }
    }
    return fresh;
  }

  #offer(project: Project, fresh: readonly SpanPayload[], defaults: TraceDefaults, tally: Tally): void {
    const { enricher, recent } = this.#stateOf(project);
    const { offering } = tally;
    const isEnriched = this.#context.options.enrich;
    // The order of spans in a request means nothing: what one says of the trace goes to all.
    if (isEnriched) for (const payload of fresh) enricher.learn(payload);
    for (const payload of fresh) {
      if (isEnriched) enricher.enrich(payload, defaults);
      else addTraceDefaults(payload, defaults);
      tally.isRefused ||= !project.spans.offer(payload);
      if (tally.isRefused) recent.forget(payload.traceId, payload.spanId);
      else {
        offering.sequence = project.spans.sequence;
        tally.offered++;
      }
    }
    tally.sequence = Math.max(tally.sequence, offering.sequence);
  }

  #stateOf(project: Project): ProjectState {
    let state = this.#states.get(project);
    if (state === undefined) {
      state = { enricher: createEnricher(), recent: new RecentSpans() };
      this.#states.set(project, state);
    }
    return state;
  }
}
