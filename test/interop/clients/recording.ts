/**
 * What a client says on stdout, as JSON lines, and the hooks by which it knows: as recording.py. The hooks stand around
 * the SDK's own sending and change nothing in it.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export const sidecarUrl: string = process.env["SIDECAR_URL"] ?? "";
export const looksUp: boolean = process.env["LOOK_UPS"] === "1";

export function say(kind: string, fields: Record<string, unknown>): void {
  writeSync(1, `${JSON.stringify({ kind, atMs: Date.now(), ...fields })}\n`);
}

export function sayObservation(id: string, traceId: string, name: string): void {
  say("observation", { id, traceId, name });
}

export function sayScore(id: string, traceId: string, name: string): void {
  say("score", { id, traceId, name });
}

export function fact(name: string, value: unknown): void {
  say("fact", { name, value });
}

/** Numbers of the units of work: `COUNT`, or, without that, as many as there is time for until stdin ends. */
export async function* units(): AsyncGenerator<number> {
  const count = Number(process.env["COUNT"] ?? Number.POSITIVE_INFINITY);
  let isStopped = false;
  if (process.env["COUNT"] === undefined) process.stdin.resume().once("end", () => (isStopped = true));
  for (let number = 0; number < count && !isStopped; number++) {
    yield number;
    await sleep(Number(process.env["PACE_MS"] ?? 0));
  }
}

interface EndedSpan {
  name: string;
  spanContext(): { traceId: string; spanId: string };
}

/** A span processor that says each span that ends. */
export const endedSpans = {
  onStart: (): void => undefined,
  onEnd: (span: EndedSpan): void => sayObservation(span.spanContext().spanId, span.spanContext().traceId, span.name),
  forceFlush: (): Promise<void> => Promise.resolve(),
  shutdown: (): Promise<void> => Promise.resolve(),
};

interface Exporter<Span> {
  export: (this: Exporter<Span>, spans: Span[], done: (result: { code: number }) => void) => void;
}

/** Says of each export what it carries and how it ended. */
export function recordExports<Span extends EndedSpan>(exporterClass: { prototype: Exporter<Span> }): void {
  const original = exporterClass.prototype.export;
  exporterClass.prototype.export = function recorded(spans, done) {
    const startedAtMs = Date.now();
    const ids = spans.map((span) => span.spanContext().spanId);
    original.call(this, spans, (result) => {
      say("sending", { ids, ok: result.code === 0, startedAtMs });
      done(result);
    });
  };
}

/** Says of each request with events what it carries and whether its answer is a good one. */
export function recordFetch(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const ids = idsOfEvents(init?.body);
    const startedAtMs = Date.now();
    let ok = false;
    try {
      const response = await send(input, init);
      ok = response.ok && !(response.status === 207 && (await hasErrors(response.clone())));
      return response;
    } finally {
      if (ids.length > 0) say("sending", { ids, ok, startedAtMs });
    }
  };
}

async function hasErrors(response: Response): Promise<boolean> {
  const { errors = [] } = (await response.json()) as { errors?: unknown[] };
  return errors.length > 0;
}

function idsOfEvents(body: unknown): string[] {
  if (typeof body !== "string") return [];
  const { batch = [] } = JSON.parse(body) as { batch?: { body?: { id?: string } }[] };
  return [...new Set(batch.flatMap((event) => event.body?.id ?? []))];
}
