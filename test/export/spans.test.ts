/** Single spans: those that no server could store, and those that are too large for it. */
import { describe, expect, test } from "vitest";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";
import { send } from "../../src/export/task.ts";
import { json, type ScriptedServer, scriptedServer, stored } from "./scripted-server.ts";
import { span, taskFor, ways } from "./tasks.ts";

const invalid: [string, string | SpanPayload, RegExp][] = [
  ["no JSON", "{not json", /not JSON/],
  ["no object", '"text"', /no object/],
  ["no trace id", span(1, { traceId: undefined as never }), /traceId/],
  ["a short trace id", span(1, { traceId: "abc" }), /traceId/],
  ["a trace id of zeros", span(1, { traceId: "0".repeat(32) }), /traceId/],
  ["no span id", span(1, { spanId: "" }), /spanId/],
  ["a span id that is no hex", span(1, { spanId: "zzzzzzzzzzzzzzzz" }), /spanId/],
  ["no start", span(1, { startTimeUnixNano: undefined as never }), /startTimeUnixNano/],
  ["an end that is no number", span(1, { endTimeUnixNano: "now" }), /endTimeUnixNano/],
  ["a shape that cannot be read", span(1, { environment: { toString: 1 } as never }), /invalid span/],
];

describe.each(ways)("invalid spans, $transport by $sender", ({ transport, sender }) => {
  test.each(invalid)("%s", async (_, bad, reason) => {
    await using server = await scriptedServer(stored);
    const report = await send(taskFor(server.url, [span(7), bad, span(8)], { transport, sender }));
    expect(report.verdict).toBe("per-span");
    expect(report.spans).toEqual([
      { outcome: "acknowledged" },
      { outcome: "rejected", reason: expect.stringMatching(reason) },
      { outcome: "acknowledged" },
    ]);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.body).toMatch(/span 7.*span 8/);

    const alone = await send(taskFor(server.url, [bad], { transport, sender }));
    expect(alone).toMatchObject({ verdict: "rejected", reason: expect.stringMatching(reason), requests: 0 });
    const twice = await send(taskFor(server.url, [bad, bad], { transport, sender }));
    expect(twice.spans?.map(({ outcome }) => outcome)).toEqual(["rejected", "rejected"]);
    expect(server.requests).toHaveLength(1);
  });

  test("with any other verdict the batch stays whole", async () => {
    await using server = await scriptedServer(() => json(500, {}));
    const report = await send(taskFor(server.url, ["{", span(1)], { transport, sender }));
    expect(report).toMatchObject({ verdict: "retry" });
    expect(report.spans).toBeUndefined();
  });

  test("what can be mended is mended", async () => {
    await using server = await scriptedServer(stored);
    const odd = span(1, {
      traceId: "2AF7651916CD43DD8448EB211C80319C",
      parentSpanId: "nobody",
      name: 5 as never,
      events: "none" as never,
      links: [null] as never,
      attributes: "none" as never,
      trace: 5 as never,
    });
    const lone = JSON.stringify(span(2)).replace("span 2", "lone \\ud83d and paired \\ud83d\\ude00");
    const report = await send(taskFor(server.url, [odd, lone], { transport, sender }));
    expect(report.verdict).toBe("acknowledged");
    const body = server.requests[0]?.body ?? "";
    expect(body).toContain("2af7651916cd43dd8448eb211c80319c");
    expect(body).not.toContain("nobody");
    expect(body).toContain("lone \uFFFD and paired \u{1F600}");
  });
});

/** Takes bodies up to `limit` characters. */
function smallServer(limit: number): Promise<ScriptedServer> {
  return scriptedServer((request) =>
    request.body.length > limit ? { status: 413, body: "Body exceeded 4.5mb limit" } : stored(request),
  );
}

describe.each(ways)("too large, $transport by $sender", ({ transport, sender }) => {
  test("the longest texts are halved until it passes", async () => {
    await using server = await smallServer(60_000);
    const large = span(1, {
      // No root: on ingestion a root's input is the trace's too, and so there twice.
      parentSpanId: "00f067aa0ba902b7",
      input: "i".repeat(200_000),
      output: "short",
      metadata: { deep: ["d".repeat(100_000)] },
    });
    const report = await send(taskFor(server.url, [large], { transport, sender }));
    expect(report).toMatchObject({ verdict: "acknowledged", truncated: 1 });
    // 200,000 → 100,000 → 50,000 → 25,000, and the whole one before.
    expect(report.requests).toBe(4);
    const body = server.requests.at(-1)?.body ?? "";
    expect(body).toContain("i…[truncated by langfuse-span-buffer: 25000 of 200000 characters]");
    expect(body).toContain("d…[truncated by langfuse-span-buffer: 25000 of 100000 characters]");
    expect(body).toContain("short");
    expect(body).toContain(large.spanId);
  });

  test("a structure of small parts becomes the beginning of its text", async () => {
    await using server = await smallServer(60_000);
    const large = span(1, { input: Array.from({ length: 20_000 }, (_, index) => `part ${index}`) });
    const report = await send(taskFor(server.url, [large], { transport, sender }));
    expect(report).toMatchObject({ verdict: "acknowledged", truncated: 1 });
    expect(server.requests.at(-1)?.body).toContain("truncated by langfuse-span-buffer");
  });

  test("thousands of attributes are left out in the end", async () => {
    await using server = await smallServer(20_000);
    const attributes = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`key ${index}`, index]));
    const report = await send(taskFor(server.url, [span(1, { attributes, input: "kept" })], { transport, sender }));
    expect(report).toMatchObject({ verdict: "acknowledged", truncated: 1 });
    expect(server.requests.at(-1)?.body).toContain("attributes left out");
    expect(server.requests.at(-1)?.body).toContain("kept");
  });

  test("a surrogate pair is not cut in two", async () => {
    await using server = await smallServer(80_000);
    const report = await send(
      taskFor(server.url, [span(1, { input: `x${"\u{1F600}".repeat(50_000)}` })], { transport, sender }),
    );
    expect(report).toMatchObject({ verdict: "acknowledged", truncated: 1 });
    expect(server.requests.at(-1)?.body).not.toMatch(/\\ud|\uFFFD/);
  });

  test("still too large: rejected, with the server's word", async () => {
    await using server = await smallServer(10);
    const report = await send(taskFor(server.url, [span(1, { input: "i".repeat(40_000) })], { transport, sender }));
    expect(report).toMatchObject({ verdict: "rejected", truncated: 0, status: 413 });
    expect(report.reason).toMatch(/too large.*Body exceeded.*even truncated/);
    expect(report.requests).toBe(4);
  });

  test("nothing to cut: rejected at once", async () => {
    await using server = await smallServer(10);
    expect(await send(taskFor(server.url, [span(1)], { transport, sender }))).toMatchObject({
      verdict: "rejected",
      requests: 1,
    });
  });

  test("several spans are split, not truncated", async () => {
    await using server = await smallServer(10);
    const spans = [span(1, { input: "i".repeat(40_000) }), span(2)];
    const report = await send(taskFor(server.url, spans, { transport, sender }));
    expect(report).toMatchObject({ verdict: "too-large", truncated: 0, requests: 1 });
  });

  test("trouble on the way is the verdict, and nothing counts as truncated", async () => {
    await using server = await scriptedServer((_, index) => (index === 0 ? { status: 413 } : json(500, {})));
    const report = await send(taskFor(server.url, [span(1, { input: "i".repeat(40_000) })], { transport, sender }));
    expect(report).toMatchObject({ verdict: "retry", truncated: 0, requests: 2 });
  });
});
