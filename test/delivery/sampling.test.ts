import { describe, expect, test } from "vitest";
import type { SpanBuffer } from "../../src/index.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";

/** A conversation of three spans; returns whether it had an error. */
function converse(buffer: SpanBuffer, index: number): boolean {
  const isError = index % 10 === 0;
  const root = buffer.startSpan("conversation", { input: { index }, traceName: `call ${index}` });
  const turn = root.startSpan("turn");
  turn.startSpan("llm", isError ? { level: "ERROR" } : {}).end();
  turn.end();
  root.end();
  return isError;
}

test("rules: errors are kept whole, the rest is sampled out and counted, and the account holds at every moment", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { sampleRate: 0, sampling: { keep: ["errors"] } });
  for (let index = 0; index < 500; index++) {
    converse(buffer, index);
    if (index % 50 === 0) expect(missingFromAccount(buffer.stats())).toBe(0);
  }
  const open = buffer.startSpan("open");
  open.startSpan("undecided").end();
  expect(buffer.stats()).toMatchObject({ accepted: 1_501 });
  await buffer.flush();
  // What is still open is undecided, and counts as pending.
  expect(buffer.stats()).toMatchObject({ pending: 1, acknowledged: 150, dropped: { "sampled-out": 1_350 } });
  expect(missingFromAccount(buffer.stats())).toBe(0);
  const traces = Map.groupBy(server.spans(), ({ traceId }) => traceId);
  expect([...traces.values()].map(({ length }) => length)).toEqual(Array.from({ length: 50 }, () => 3));
  await buffer.shutdown();
  expect(buffer.stats()).toMatchObject({ pending: 0, dropped: { "sampled-out": 1_351, "shut-down": 0 } });
  open.end();
  expect(buffer.stats()).toMatchObject({ dropped: { "sampled-out": 1_351, "shut-down": 1 } });
  expect(missingFromAccount(buffer.stats())).toBe(0);
});

test("a score of a trace that was left out is left out, others go, masked like spans; events are asked nothing", async () => {
  const server = await standIn();
  const asked: unknown[] = [];
  const buffer = bufferFor(server.url, {
    sampleRate: 0,
    sampling: { keep: ["errors"] },
    mask: ["email"],
    maskJournal: true,
    shouldExportSpan: (span) => {
      asked.push(span.traceId);
      return true;
    },
  });
  const kept = buffer.startSpan("kept", { level: "ERROR" });
  const left = buffer.startSpan("left out");
  kept.end();
  left.end();
  await buffer.flush();
  const comment = "ask bob@example.com";
  expect(buffer.score({ traceId: kept.traceId, name: "quality", value: 1, comment })).toBe(true);
  expect(buffer.score({ traceId: left.traceId, name: "quality", value: 1, comment })).toBe(false);
  await buffer.flush();
  expect(server.scores()).toMatchObject([{ traceId: kept.traceId, comment: "ask [masked email]" }]);
  expect(asked).toEqual([kept.traceId, left.traceId]);
});

describe("shouldExportSpan", () => {
  test("false keeps a span from going anywhere, and it is counted", async () => {
    const server = await standIn();
    const buffer = bufferFor(server.url, { shouldExportSpan: ({ name }) => name !== "health" });
    for (let index = 0; index < 10; index++) buffer.startSpan(index % 2 === 0 ? "health" : "turn").end();
    expect(
      buffer.enqueue({
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId: "b7ad6b7169203301",
        name: "health",
        startTimeUnixNano: "1",
        endTimeUnixNano: "2",
      }),
    ).toBe(false);
    await buffer.flush();
    expect(server.spans().map(({ name }) => name)).toEqual(["turn", "turn", "turn", "turn", "turn"]);
    expect(buffer.stats()).toMatchObject({ accepted: 11, acknowledged: 5, dropped: { filtered: 6 } });
    expect(missingFromAccount(buffer.stats())).toBe(0);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new TypeError("a secret");
      },
      /shouldExportSpan threw TypeError: such spans are kept/,
    ],
    ["rejects", () => Promise.reject(new Error("a secret")), /returned a promise instead/],
    ["returns nothing", () => undefined, /returned undefined instead/],
  ])("that %s keeps every span, and is said once", async (_, shouldExportSpan, words) => {
    const server = await standIn();
    const said: string[] = [];
    const buffer = bufferFor(server.url, {
      shouldExportSpan: shouldExportSpan as () => boolean,
      logger: { warn: (message) => said.push(message) },
    });
    for (let index = 0; index < 3; index++) buffer.startSpan("turn").end();
    await until(() => said.length > 0);
    await buffer.flush();
    expect(server.account().spans).toBe(3);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(words);
    expect(said[0]).not.toContain("secret");
  });
});
