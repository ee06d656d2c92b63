import { expect, test } from "vitest";
import type { ObservationType, SpanBuffer } from "../../src/index.ts";
import type { StoredSpan } from "../../src/stand-in/index.ts";
import { bufferFor, standIn } from "../support/buffers.ts";

const types: readonly ObservationType[] = [
  "span",
  "generation",
  "event",
  "agent",
  "tool",
  "chain",
  "retriever",
  "evaluator",
  "embedding",
  "guardrail",
];

const startMs = Date.UTC(2026, 10, 23, 12, 0, 0, 250);

/** One trace: a root, and under it a span of each type with every field. */
function traceEverything(buffer: SpanBuffer): string {
  const root = buffer.startSpan("conversation", {
    type: "agent",
    startTime: startMs,
    input: "hello",
    userId: "user-1",
    sessionId: "session-1",
    traceName: "voice call",
    tags: ["voice", "test"],
    traceMetadata: { campaign: "autumn", nested: { level: 2 } },
    public: true,
  });
  for (const type of types) {
    root
      .startSpan(`${type} span`, {
        type,
        startTime: new Date(startMs + 1000),
        input: [{ role: "user", content: 'Grüße, "世界" 😀\n' }],
        model: "gpt-4.1",
        modelParameters: { temperature: 0.5, stream: true, stop: "END" },
        usageDetails: { input: 60, output: 9, total: 69 },
        costDetails: { input: 0.001, output: 0.0005 },
        completionStartTime: startMs + 1500,
        promptName: "greeting",
        promptVersion: 3,
        level: "WARNING",
        statusMessage: "slow answer",
        version: "1.4.2",
        metadata: { attempt: 2, tool: { name: "weather" } },
      })
      .update({ output: { role: "assistant", content: "twelve degrees" } })
      .end(startMs + 2000);
  }
  root.update({ output: "bye" }).end(startMs + 3000);
  return root.traceId;
}

const inTrace = {
  environment: "test-env",
  userId: "user-1",
  sessionId: "session-1",
  tags: ["voice", "test"],
  traceName: "voice call",
  public: true,
  release: "r42",
};

function expectedOf(type: ObservationType, traceId: string): Record<string, unknown> {
  const isGeneration = [
    "generation",
    "embedding",
    "agent",
    "tool",
    "chain",
    "retriever",
    "evaluator",
    "guardrail",
  ].includes(type);
  return {
    traceId,
    type: type.toUpperCase(),
    name: `${type} span`,
    startTime: "2026-11-23T12:00:01.250Z",
    endTime: "2026-11-23T12:00:02.250Z",
    input: [{ role: "user", content: 'Grüße, "世界" 😀\n' }],
    output: { role: "assistant", content: "twelve degrees" },
    level: "WARNING",
    statusMessage: "slow answer",
    version: "1.4.2",
    ...(isGeneration
      ? {
          completionStartTime: "2026-11-23T12:00:01.750Z",
          model: "gpt-4.1",
          modelParameters: { temperature: 0.5, stream: true, stop: "END" },
          usageDetails: { input: 60, output: 9, total: 69 },
          costDetails: { input: 0.001, output: 0.0005 },
          promptName: "greeting",
          promptVersion: 3,
        }
      : {}),
    ...inTrace,
  };
}

function pick(span: StoredSpan, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field, span[field as keyof StoredSpan]]));
}

test.each([
  ["otlp", "otlp"],
  ["otlp", "ingestion"],
  ["ingestion", "ingestion"],
  ["ingestion", "otlp"],
  ["auto", "otlp"],
  ["auto", "ingestion"],
] as const)(
  "transport %s against a server of generation %s: every type, every field",
  async (transport, generation) => {
    const server = await standIn({ generation });
    const buffer = bufferFor(server.url, { transport, environment: "test-env", release: "r42" });
    const traceId = traceEverything(buffer);
    const result = await buffer.flush({ timeoutMs: 15_000 });
    expect(result).toMatchObject({ acknowledged: types.length + 1, pending: 0, deadLettered: 0 });
    const stored = server.spans();
    expect(server.account().twice).toBe(0);
    for (const type of types) {
      const span = stored.find(({ name }) => name === `${type} span`) as StoredSpan;
      const expected = expectedOf(type, traceId);
      // Langfuse's ingestion route knows no end of an event: it is a moment there.
      if (type === "event" && generation === "ingestion") expected["endTime"] = null;
      expect(pick(span, Object.keys(expected)), type).toEqual(expected);
      expect(span.metadata, type).toMatchObject({ attempt: 2, tool: { name: "weather" } });
      expect(span.traceMetadata).toEqual({ campaign: "autumn", nested: { level: 2 } });
      expect(span.parentObservationId).toBe(stored.find(({ name }) => name === "conversation")?.id);
    }
    const root = stored.find(({ name }) => name === "conversation") as StoredSpan;
    expect(root).toMatchObject({ ...inTrace, type: "AGENT", input: "hello", output: "bye" });
    expect(root.parentObservationId).toBeNull();
  },
);

test("what a user looks up is there: the trace with its observations", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const traceId = traceEverything(buffer);
  await buffer.flush({ timeoutMs: 15_000 });
  const authorization = `Basic ${Buffer.from("pk-lf-stand-in:sk-lf-stand-in").toString("base64")}`;
  const response = await fetch(`${server.url}/api/public/traces/${traceId}`, { headers: { authorization } });
  const trace = (await response.json()) as { name: string; input: unknown; observations: unknown[] };
  expect(trace).toMatchObject({ name: "voice call", userId: "user-1", input: "hello", output: "bye", public: true });
  expect(trace.observations.length).toBe(types.length + 1);
});

test("a server that is upgraded while the bot runs is followed from one route to the other", async () => {
  const older = await standIn({ generation: "ingestion" });
  const buffer = bufferFor(older.url);
  buffer.startSpan("before").end();
  expect(await buffer.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 1 });
  await older.close();
  const newer = await standIn({ generation: "otlp", port: older.port });
  buffer.startSpan("after").end();
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 2, deadLettered: 0 });
  expect(newer.spans().map(({ name }) => name)).toEqual(["after"]);
});

test("authCheck tells who we are, and what is wrong", async () => {
  const server = await standIn();
  expect(await bufferFor(server.url).authCheck()).toMatchObject({
    ok: true,
    project: { id: "project-stand-in", name: "Stand-in" },
    serverVersion: "4.16.0",
    transport: "otlp",
  });
  expect(await bufferFor(server.url, { publicKey: "pk-lf-other" }).authCheck()).toMatchObject({
    ok: false,
    cause: "unknown-key",
  });
  expect(await bufferFor("http://127.0.0.1:9").authCheck()).toMatchObject({ ok: false, cause: "unreachable" });
  const keyless = bufferFor(server.url, { publicKey: undefined, secretKey: undefined });
  expect(await keyless.authCheck()).toMatchObject({ ok: false, cause: "keys-missing" });
});
