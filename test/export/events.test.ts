/** 207: what an answer for each event means for each span. */
import { describe, expect, test } from "vitest";
import { send } from "../../src/export/task.ts";
import type { ExportReport } from "../../src/workers/messages.ts";
import { json, scriptedServer } from "./scripted-server.ts";
import { secretKey, span, taskFor } from "./tasks.ts";

interface Refusal {
  status: number;
  message?: string;
  error?: unknown;
}

/** Refuses the events whose type and body id are named (`span-create/…01`); `silent` ones are in neither list. */
async function sendRefused(
  spanCount: number,
  refused: Record<string, Refusal | "silent">,
  extraErrors: unknown[] = [],
): Promise<ExportReport> {
  await using server = await scriptedServer(({ body }) => {
    const { batch } = JSON.parse(body) as { batch: { id: string; type: string; body: { id: string } }[] };
    const successes: unknown[] = [];
    const errors = [...extraErrors];
    for (const event of batch) {
      const refusal = refused[`${event.type}/${event.body.id.slice(-2)}`] ?? refused[event.type];
      if (refusal === undefined) successes.push({ id: event.id, status: 201 });
      else if (refusal !== "silent") errors.push({ id: event.id, ...refusal });
    }
    return json(207, { successes, errors });
  });
  const spans = Array.from({ length: spanCount }, (_, index) => span(index + 1, { parentSpanId: "00f067aa0ba902b7" }));
  const report = await send(taskFor(server.url, spans, { transport: "ingestion" }));
  expect(server.requests).toHaveLength(1);
  return report;
}

const outcomes = (report: ExportReport): string[] | undefined => report.spans?.map(({ outcome }) => outcome);

test.each([
  [400, "rejected"],
  [404, "rejected"],
  [422, "rejected"],
  [401, "hold"],
  [403, "hold"],
  [408, "retry"],
  [429, "retry"],
  [500, "retry"],
  [503, "retry"],
] as const)("one event refused with %i: its span alone is %s", async (status, outcome) => {
  const report = await sendRefused(3, { "span-create/02": { status, message: "why", error: { at: "name" } } });
  expect(report.verdict).toBe("per-span");
  expect(outcomes(report)).toEqual(["acknowledged", outcome, "acknowledged"]);
  expect(report.spans?.[1]).toMatchObject({ status });
  expect(report.spans?.[1]?.reason).toMatch(/span-create refused by 127\.0\.0\.1:\d+ \(\d+\): why: \{"at":"name"\}/);
});

test.each([
  [400, "rejected"],
  [401, "hold"],
  [500, "retry"],
] as const)("a span alone, refused with %i, is the batch's verdict: %s", async (status, verdict) => {
  const report = await sendRefused(1, { "span-create": { status } });
  expect(report).toMatchObject({ verdict, status });
  expect(report.spans).toBeUndefined();
});

test("keys refused for every event hold the batch", async () => {
  const report = await sendRefused(2, {
    "span-create": { status: 401, message: "Access Scope Denied" },
    "trace-create": { status: 401, message: "Access Scope Denied" },
  });
  expect(report).toMatchObject({ verdict: "hold", status: 401, reason: expect.stringMatching(/Access Scope Denied/) });
});

test("every span rejected: each by itself, so that nothing is halved", async () => {
  const report = await sendRefused(2, { "span-create": { status: 400 } });
  expect(report.verdict).toBe("per-span");
  expect(outcomes(report)).toEqual(["rejected", "rejected"]);
});

test("Langfuse 4 takes spans by OTLP alone", async () => {
  const refusal = { status: 400, message: "Event type not accepted" };
  const report = await sendRefused(2, { "span-create": refusal, "trace-create": refusal });
  expect(report).toMatchObject({ verdict: "change-transport", transport: "otlp" });
});

describe("an event that is in neither list", () => {
  test("several spans: halved", async () => {
    const report = await sendRefused(3, { "span-create/02": "silent" });
    expect(report).toMatchObject({ verdict: "rejected", reason: expect.stringMatching(/not for every event/) });
  });

  test("one span: sent again", async () => {
    expect(await sendRefused(1, { "span-create": "silent" })).toMatchObject({ verdict: "retry" });
  });

  test("one span, an error without an id: that is its own", async () => {
    const report = await sendRefused(1, { "span-create": "silent" }, [
      { id: "unknown", status: 400, message: "unreadable" },
    ]);
    expect(report).toMatchObject({ verdict: "rejected", reason: expect.stringMatching(/unreadable/) });
  });

  test("several spans, an error without an id: halved", async () => {
    const report = await sendRefused(2, { "span-create/01": "silent" }, [{ id: "unknown", status: 400 }]);
    expect(report.verdict).toBe("rejected");
  });
});

describe("a refused trace-create", () => {
  test("for good: the span that it was made from answers for it", async () => {
    const report = await sendRefused(2, { "trace-create": { status: 400, message: "no trace" } });
    expect(outcomes(report)).toEqual(["rejected", "acknowledged"]);
    expect(report.spans?.[0]?.reason).toMatch(/trace-create refused.*no trace/);
  });

  test("for good, with a root in the batch: the root", async () => {
    await using server = await scriptedServer(({ body }) => {
      const { batch } = JSON.parse(body) as { batch: { id: string; type: string }[] };
      const [trace, ...others] = batch;
      return json(207, {
        successes: others.map(({ id }) => ({ id, status: 201 })),
        errors: [{ id: trace?.id, status: 400, message: "no" }],
      });
    });
    const spans = [span(1, { parentSpanId: "b7ad6b7169203302" }), span(2)];
    const report = await send(taskFor(server.url, spans, { transport: "ingestion" }));
    expect(outcomes(report)).toEqual(["acknowledged", "rejected"]);
  });

  test("for a while: the span comes again", async () => {
    const report = await sendRefused(2, { "trace-create": { status: 500 } });
    expect(outcomes(report)).toEqual(["retry", "acknowledged"]);
  });
});

test.each([[{}], [{ successes: [] }], [[]], ["ok"], [null]])("JSON that is none of Langfuse's: %j", async (body) => {
  await using server = await scriptedServer(() => json(200, body));
  const report = await send(taskFor(server.url, [span(1)], { transport: "ingestion" }));
  expect(report).toMatchObject({ verdict: "retry", reason: expect.stringMatching(/not Langfuse/) });
});

test("the server's words lose the keys", async () => {
  const report = await sendRefused(2, { "span-create/01": { status: 400, message: `got ${secretKey}` } });
  expect(report.spans?.[0]?.reason).toMatch(/got \*\*\*/);
  expect(JSON.stringify(report)).not.toContain(secretKey);
});
