/** Spans of ours under spans of an OpenTelemetry tracer, and the other way round. */
import { context, type Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { SpanBuffer } from "../../src/index.ts";
import { BufferedSpanProcessor, joinContexts } from "../../src/otel/index.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { providerWith } from "./providers.ts";

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());

interface Joined {
  buffer: SpanBuffer;
  tracer: Tracer;
  /** Name → name of the parent, and whether all are of one trace. */
  stored: () => Promise<{ parents: Record<string, string | undefined>; traces: number }>;
}

/** A buffer and a tracer whose spans it gets. */
async function joined({ join = true } = {}): Promise<Joined> {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  if (join) onTestFinished(joinContexts());
  return {
    buffer,
    tracer: providerWith(new BufferedSpanProcessor(buffer)).getTracer("test"),
    async stored() {
      await buffer.flush();
      const spans = server.spans();
      const nameOf = (id: string | null): string | undefined => spans.find((span) => span.id === id)?.name ?? undefined;
      const parents = spans.map(({ name, parentObservationId }) => [String(name), nameOf(parentObservationId)]);
      return { parents: Object.fromEntries(parents), traces: new Set(spans.map(({ traceId }) => traceId)).size };
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("joined", () => {
  test("ours hang under the tracer's active one, its under ours, in turn and across awaits", async () => {
    const { buffer, tracer, stored } = await joined();
    await tracer.startActiveSpan("theirs", async (theirs) => {
      buffer.startSpan("ours, at once").end();
      await turn();
      buffer.startSpan("ours, later").end();
      await buffer.startActiveSpan("ours, active", async () => {
        await turn();
        tracer.startSpan("theirs, under ours").end();
        await tracer.startActiveSpan("theirs, active under ours", async (inner) => {
          await turn();
          buffer.startSpan("ours, innermost").end();
          inner.end();
        });
        buffer.startSpan("ours, under ours").end();
      });
      theirs.end();
    });
    expect(await stored()).toEqual({
      traces: 1,
      parents: {
        theirs: undefined,
        "ours, at once": "theirs",
        "ours, later": "theirs",
        "ours, active": "theirs",
        "theirs, under ours": "ours, active",
        "theirs, active under ours": "ours, active",
        "ours, innermost": "theirs, active under ours",
        "ours, under ours": "ours, active",
      },
    });
  });

  test("what our span says of the trace holds under a span of the tracer's within it", async () => {
    const { buffer, tracer } = await joined();
    const traceIds = new Set<string>();
    buffer.startActiveSpan("ours", { userId: "ada" }, (ours) => {
      tracer.startActiveSpan("theirs", (theirs) => {
        traceIds.add(ours.traceId).add(theirs.spanContext().traceId).add(buffer.startSpan("innermost").traceId);
        theirs.end();
      });
    });
    expect(traceIds.size).toBe(1);
  });

  test("a span that is told its place goes there, and with `parent: null` it is a root", async () => {
    const { buffer, tracer, stored } = await joined();
    const elsewhere = buffer.startSpan("elsewhere");
    tracer.startActiveSpan("theirs", (theirs) => {
      buffer.startSpan("root", { parent: null }).end();
      elsewhere.startSpan("child").end();
      theirs.end();
    });
    elsewhere.end();
    const { parents, traces } = await stored();
    expect(parents).toEqual({ theirs: undefined, root: undefined, elsewhere: undefined, child: "elsewhere" });
    expect(traces).toBe(3);
  });

  test("1,000 conversations at once: no span under another's parent", async () => {
    const { buffer, tracer, stored } = await joined();
    const conversation = (number: number): Promise<void> =>
      tracer.startActiveSpan(`a${number}`, async (outer) => {
        await turn();
        await buffer.startActiveSpan(`b${number}`, async () => {
          await turn();
          tracer.startSpan(`c${number}`).end();
        });
        outer.end();
      });
    await Promise.all(Array.from({ length: 1_000 }, (_, number) => conversation(number)));
    const { parents, traces } = await stored();
    expect(traces).toBe(1_000);
    const wrong = Object.entries(parents).filter(([name, parent]) => {
      const expected = { a: undefined, b: `a${name.slice(1)}`, c: `b${name.slice(1)}` }[name[0] as "a" | "b" | "c"];
      return parent !== expected;
    });
    expect(wrong).toEqual([]);
  });
});

test("not joined, each keeps to its own; parted again, too", async () => {
  const { buffer, tracer, stored } = await joined({ join: false });
  const both = (kind: string): void => {
    tracer.startActiveSpan(`theirs ${kind}`, (theirs) => {
      buffer.startActiveSpan(`ours ${kind}`, () => tracer.startSpan(`inner ${kind}`).end());
      theirs.end();
    });
  };
  both("before");
  joinContexts()();
  both("after");
  const { parents } = await stored();
  for (const kind of ["before", "after"]) {
    expect(parents).toMatchObject({ [`inner ${kind}`]: `theirs ${kind}` });
    expect(parents[`ours ${kind}`]).toBeUndefined();
  }
});

test("without a context manager nothing changes", () => {
  context.disable();
  onTestFinished(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  onTestFinished(joinContexts());
  const buffer = bufferFor("http://127.0.0.1:9");
  expect(buffer.startActiveSpan("a", (span) => buffer.startSpan("b").traceId === span.traceId)).toBe(true);
});
