/** The mapping to ingestion, field by field. What is expected is written out here, not taken from the table. */
import { describe, expect, test } from "vitest";
import { ingestionPlan } from "../../src/export/ingestion.ts";
import { full, observation } from "./mapped.ts";
import { span } from "./tasks.ts";

describe("ingestion", () => {
  const metadata = {
    tier: "gold",
    tags: { a: 1 },
    attributes: {
      text: "a",
      whole: 7,
      zero: 0,
      half: 0.5,
      huge: 1e300,
      yes: true,
      list: ["a", 1],
      nested: { b: 2 },
      nothing: null,
    },
    resourceAttributes: { "host.name": "h", "service.name": "bot" },
    scope: { name: "my.scope", version: "1.2", attributes: { a: "b" } },
    events: [{ name: "exception", timeUnixNano: "1793520000500000000", attributes: { "exception.type": "E" } }],
    links: [{ traceId: "1af7651916cd43dd8448eb211c80319c", spanId: "17ad6b7169203331", attributes: { why: "retry" } }],
  };

  test("every field", () => {
    expect(ingestionPlan([full], 3)).toEqual({
      spanIndexes: [0, 0],
      request: {
        metadata: { sdk_name: "langfuse-span-buffer", batch_size: 2 },
        batch: [
          {
            id: "trace-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            type: "trace-create",
            timestamp: "2026-11-01T08:00:00.000Z",
            body: {
              id: "0af7651916cd43dd8448eb211c80319c",
              name: "call",
              userId: "user-1",
              sessionId: "session-1",
              tags: ["a", "b"],
              metadata: { region: "eu", shard: 4 },
              public: true,
              environment: "production",
              release: "r1",
            },
          },
          {
            id: "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            type: "generation-create",
            timestamp: "2026-11-01T08:00:01.500Z",
            body: {
              id: "b7ad6b7169203331",
              traceId: "0af7651916cd43dd8448eb211c80319c",
              parentObservationId: "00f067aa0ba902b7",
              name: "answer",
              startTime: "2026-11-01T08:00:00.000Z",
              endTime: "2026-11-01T08:00:01.500Z",
              input: [{ role: "user", content: "Hi" }],
              output: "Hello",
              level: "WARNING",
              statusMessage: "slow",
              version: "v9",
              environment: "production",
              model: "gpt-4o",
              modelParameters: { temperature: 0.2, stop: '["a"]' },
              usageDetails: { input: 10, output: 20 },
              costDetails: { total: 0.001 },
              completionStartTime: "2026-11-01T08:00:00.250Z",
              promptName: "greeting",
              promptVersion: 3,
              metadata,
            },
          },
        ],
      },
    });
  });

  test.each([
    ["span", "span-create", "span-create", "span-create", undefined],
    ["generation", "generation-create", "generation-create", "generation-create", undefined],
    ["event", "event-create", "event-create", "event-create", undefined],
    ["agent", "agent-create", "span-create", "generation-create", "agent"],
    ["tool", "tool-create", "span-create", "generation-create", "tool"],
    ["chain", "chain-create", "span-create", "generation-create", "chain"],
    ["retriever", "retriever-create", "span-create", "generation-create", "retriever"],
    ["evaluator", "evaluator-create", "span-create", "generation-create", "evaluator"],
    ["embedding", "embedding-create", "span-create", "generation-create", "embedding"],
    ["guardrail", "guardrail-create", "span-create", "generation-create", "guardrail"],
  ] as const)("type %s", (type, onThree, onTwo, onTwoWithModel, kept) => {
    expect(observation(span(1, { type }), 3).type).toBe(onThree);
    expect(observation(span(1, { type }), 4).type).toBe(onThree);
    for (const major of [2, undefined]) {
      const bare = observation(span(1, { type }), major);
      expect(bare.type).toBe(onTwo);
      expect((bare.body["metadata"] as { type?: string } | undefined)?.type).toBe(kept);
      const withModel = observation(span(1, { type, model: "m" }), major);
      expect(withModel.type).toBe(onTwoWithModel);
      const isGeneration = onTwoWithModel === "generation-create";
      // What a span has no field for goes to its metadata.
      expect(withModel.body["model"]).toBe(isGeneration ? "m" : undefined);
      expect((withModel.body["metadata"] as { model?: string } | undefined)?.model).toBe(
        isGeneration ? undefined : "m",
      );
    }
    expect("endTime" in observation(span(1, { type }), 3).body).toBe(type !== "event");
  });

  test.each<[string, Record<string, unknown>, string, Record<string, unknown>]>([
    ["openinference", { "openinference.span.kind": "RETRIEVER" }, "retriever-create", {}],
    ["chat", { "gen_ai.operation.name": "chat" }, "generation-create", {}],
    ["embeddings", { "gen_ai.operation.name": "embeddings" }, "embedding-create", {}],
    ["invoke_agent", { "gen_ai.operation.name": "invoke_agent" }, "agent-create", {}],
    ["execute_tool", { "gen_ai.operation.name": "execute_tool" }, "tool-create", {}],
    ["an operation that says nothing", { "gen_ai.operation.name": "stt" }, "span-create", {}],
    [
      "the type attribute before the others",
      { "langfuse.observation.type": "tool", "openinference.span.kind": "LLM", "gen_ai.operation.name": "chat" },
      "tool-create",
      {},
    ],
    [
      "response model before request model",
      { "gen_ai.response.model": "r", "gen_ai.request.model": "q", model: "m" },
      "generation-create",
      { model: "r", metadata: { attributes: { "gen_ai.request.model": "q", model: "m" } } },
    ],
    ["model", { model: "m" }, "generation-create", { model: "m" }],
    [
      "usage",
      { model: "m", "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": "4", "gen_ai.usage.cost": 0.5 },
      "generation-create",
      { model: "m", usageDetails: { input: 3, output: 4 }, costDetails: { total: 0.5 } },
    ],
    [
      "langfuse input before input.value before input",
      { "langfuse.observation.input": '{"a":1}', "input.value": "b", input: "c" },
      "span-create",
      { input: { a: 1 }, metadata: { attributes: { "input.value": "b", input: "c" } } },
    ],
    ["input.value", { "input.value": "b", "output.value": "d" }, "span-create", { input: "b", output: "d" }],
    ["input", { input: "c", output: "e" }, "span-create", { input: "c", output: "e" }],
    [
      "gen_ai messages",
      { "gen_ai.input.messages": "[1]", "gen_ai.output.messages": "x" },
      "span-create",
      { input: [1], output: "x" },
    ],
    [
      "the rest of langfuse's attributes",
      {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.parameters": '{"t":1}',
        "langfuse.observation.completion_start_time": '"2026-11-01T08:00:00.250Z"',
        "langfuse.observation.prompt.name": "p",
        "langfuse.observation.prompt.version": 2,
        "langfuse.observation.level": "DEBUG",
        "langfuse.observation.status_message": "s",
        "langfuse.observation.metadata": '{"a":1}',
        "langfuse.observation.metadata.b": "2",
        "langfuse.version": "v",
        "deployment.environment.name": "stage",
      },
      "generation-create",
      {
        modelParameters: { t: 1 },
        completionStartTime: "2026-11-01T08:00:00.250Z",
        promptName: "p",
        promptVersion: 2,
        level: "DEBUG",
        statusMessage: "s",
        metadata: { a: 1, b: "2" },
        version: "v",
        environment: "stage",
      },
    ],
  ])("looked up in attributes: %s", (_, attributes, type, fields) => {
    const event = observation(span(1, { attributes }), 3);
    expect(event.type).toBe(type);
    const { id, traceId, name, startTime, endTime, ...rest } = event.body;
    expect([id, traceId, name, startTime, endTime].includes(undefined)).toBe(false);
    if (Object.keys(fields).length > 0) expect(rest).toEqual(fields);
  });

  test("messages that came as span events", () => {
    const at = { timeUnixNano: "1793520000000000000" };
    const { body } = observation(
      span(1, {
        events: [
          { name: "gen_ai.user.message", ...at, attributes: { content: "Hi" } },
          { name: "gen_ai.choice", ...at, attributes: { message: "Hello" } },
          { name: "other", ...at },
        ],
      }),
    );
    expect(body).toMatchObject({ input: [{ role: "user", content: "Hi" }], output: { message: "Hello" } });
    expect(body["metadata"]).toEqual({ events: [{ name: "other", ...at }] });
  });

  test("a failed span is an ERROR with the status's message", () => {
    const { body } = observation(span(1, { status: { code: 2, message: "boom" } }));
    expect(body).toMatchObject({ level: "ERROR", statusMessage: "boom" });
  });

  test("what the old server chokes on", () => {
    const { body } = observation(
      span(1, {
        type: "generation",
        level: "INFO" as never,
        usageDetails: { input: 2 ** 31, output: 1.5, total: 7, negative: -1 },
        costDetails: { total: Number.NaN, input: 0.5 },
        promptName: "half",
        completionStartTime: "yesterday",
        modelParameters: { nested: { a: [1] }, flat: 1 },
        metadata: ["a"],
      }),
    );
    expect(body).toMatchObject({ usageDetails: { total: 7 }, costDetails: { input: 0.5 } });
    expect(body["modelParameters"]).toEqual({ nested: '{"a":[1]}', flat: 1 });
    expect(body["metadata"]).toEqual({
      level: "INFO",
      metadata: ["a"],
      usageDetails: { input: 2 ** 31, output: 1.5, negative: -1 },
      costDetails: { total: Number.NaN },
      promptName: "half",
      completionStartTime: "yesterday",
    });
    for (const gone of ["level", "promptName", "promptVersion", "completionStartTime"])
      expect(body).not.toHaveProperty(gone);
  });

  test("metadata keeps its own keys beside what is added", () => {
    const { body } = observation(span(1, { metadata: { level: "mine", attributes: "mine" }, level: "INFO" as never }));
    expect(body["metadata"]).toEqual({ level: "mine", attributes: "mine" });
  });

  test("one trace for the batch: merged over its spans, the root before the others", () => {
    const child = span(1, { parentSpanId: "b7ad6b7169203302", trace: { userId: "child", tags: ["x"] } });
    const root = span(2, {
      input: "in",
      output: "out",
      trace: { userId: "root", sessionId: "s", tags: ["y"], traceMetadata: { a: 1 } },
    });
    const other = span(3, { traceId: "1af7651916cd43dd8448eb211c80319c", parentSpanId: "b7ad6b7169203302" });
    const { request, spanIndexes } = ingestionPlan([child, root, other], undefined);
    expect(request.batch.map(({ type }) => type)).toEqual([
      "trace-create",
      "trace-create",
      "span-create",
      "span-create",
      "span-create",
    ]);
    expect(spanIndexes).toEqual([1, 2, 0, 1, 2]);
    expect(request.batch[0]?.body).toEqual({
      id: "0af7651916cd43dd8448eb211c80319c",
      timestamp: "2026-11-01T08:00:00.000Z",
      name: "span 2",
      input: "in",
      output: "out",
      userId: "root",
      sessionId: "s",
      tags: ["y", "x"],
      metadata: { a: 1 },
    });
    expect(request.batch[1]?.body).toEqual({ id: "1af7651916cd43dd8448eb211c80319c" });
  });
});
