/** The old SDK itself (`langfuse` 3), pointed at the sidecar. */
import { randomUUID } from "node:crypto";
import { Langfuse } from "langfuse";
import { expect, onTestFinished, test } from "vitest";
import { spanIdOf, traceIdOf, traceSpanIdOf } from "../../src/export/event-ids.ts";
import { standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { ingestionSidecar, publicKey, secretKey } from "./ingestion-sidecar.ts";

function sdkAt(baseUrl: string): Langfuse {
  const sdk = new Langfuse({ publicKey, secretKey, baseUrl, flushAt: 4, fetchRetryDelay: 100, environment: "test" });
  onTestFinished(() => sdk.shutdownAsync());
  return sdk;
}

interface Used {
  traceId: string;
  generationId: string;
  scoreId: string;
}

/** As a bot uses it: everything is ended but one span. */
async function use(sdk: Langfuse): Promise<Used> {
  const scoreId = randomUUID();
  const trace = sdk.trace({
    name: "call",
    userId: "user",
    sessionId: "session",
    tags: ["voice"],
    input: "hi",
    metadata: { a: 1 },
  });
  const turn = trace.span({ name: "turn", input: { n: 1 } });
  const generation = turn.generation({
    name: "llm",
    model: "gpt-4.1",
    modelParameters: { temperature: 0.5, stop: ["END"] },
    input: [{ role: "user", content: "hi" }],
  });
  turn.event({ name: "interrupted", level: "WARNING" });
  generation.update({ completionStartTime: new Date() });
  generation.end({
    output: "hello",
    usage: { promptTokens: 3, completionTokens: 4, totalTokens: 7 },
    statusMessage: "fine",
  });
  turn.end({ output: { n: 2 } });
  generation.score({ id: scoreId, name: "quality", value: 0.9 });
  trace.update({ output: "bye" });
  await sdk.flushAsync();
  return { traceId: trace.id, generationId: generation.id, scoreId };
}

test("traces, spans, generations, events and scores reach a server that takes spans alone", async () => {
  const server = await standIn({ generation: "otlp" });
  const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
  const { traceId, generationId, scoreId } = await use(sdkAt(sidecar.url));
  await until(() => server.account().spans === 4 && server.scores().length === 1);
  const spans = server.spans();
  const named = (name: string): (typeof spans)[number] | undefined => spans.find((span) => span.name === name);
  expect(spans.every((span) => span.traceId === traceIdOf(traceId))).toBe(true);
  for (const span of spans) {
    expect(span).toMatchObject({
      userId: "user",
      sessionId: "session",
      tags: ["voice"],
      traceName: "call",
      environment: "test",
    });
  }
  expect(named("call")).toMatchObject({ id: traceSpanIdOf(traceIdOf(traceId)), input: "hi", output: "bye" });
  expect(named("turn")).toMatchObject({ input: { n: 1 }, output: { n: 2 }, parentObservationId: named("call")?.id });
  expect(named("llm")).toMatchObject({
    id: spanIdOf(generationId),
    type: "GENERATION",
    parentObservationId: named("turn")?.id,
    model: "gpt-4.1",
    output: "hello",
    usageDetails: { input: 3, output: 4, total: 7 },
    statusMessage: "fine",
  });
  expect(named("llm")?.completionStartTime).not.toBeNull();
  expect(named("interrupted")).toMatchObject({
    type: "EVENT",
    level: "WARNING",
    parentObservationId: named("turn")?.id,
  });
  expect(server.scores()).toMatchObject([
    {
      id: scoreId,
      name: "quality",
      value: 0.9,
      traceId: traceIdOf(traceId),
      observationId: spanIdOf(generationId),
      arrivals: 1,
    },
  ]);
  expect(server.account().twice).toBe(0);
});

test("to a server that takes events nothing is changed", async () => {
  const server = await standIn({ generation: "ingestion" });
  const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
  const { traceId, generationId, scoreId } = await use(sdkAt(sidecar.url));
  await until(
    () => server.account().spans === 3 && server.scores().length === 1 && sidecar.events.stats().pending === 0,
  );
  expect(server.spans().map((span) => span.traceId)).toEqual([traceId, traceId, traceId]);
  expect(server.spans().find(({ id }) => id === generationId)).toMatchObject({ output: "hello", userId: "user" });
  expect(server.scores()).toMatchObject([{ id: scoreId, traceId, observationId: generationId, arrivals: 1 }]);
  expect(server.account().twice).toBe(0);
});

test.each(["otlp", "ingestion"] as const)(
  "Langfuse (%s) away: the SDK notices nothing, and everything is there afterwards",
  async (generation) => {
    const server = await standIn({ generation });
    await server.setFault({ kind: "down" });
    const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
    const sdk = sdkAt(sidecar.url);
    const errors: unknown[] = [];
    sdk.on("error", (error) => errors.push(error));
    sdk.on("warning", (error) => errors.push(error));
    for (let round = 0; round < 5; round++) await use(sdk);
    expect(errors).toEqual([]);
    await server.setFault(undefined);
    const expected = generation === "otlp" ? 20 : 15;
    await until(() => server.account().spans === expected && server.scores().length === 5);
    await sidecar.close();
    expect(server.account()).toMatchObject({ spans: expected, twice: 0 });
    expect(server.scores().every(({ arrivals }) => arrivals === 1)).toBe(true);
  },
);
