/** The mapping, field by field, on both transports. What is expected is written out here, not taken from the table. */
import { describe, expect, test } from "vitest";
import { observationTypes, type SpanPayload } from "../../src/buffer/span-payload.ts";
import { type IngestionEvent, ingestionPlan } from "../../src/export/ingestion.ts";
import { otlpRequest } from "../../src/export/otlp.ts";
import { span } from "./tasks.ts";

const full: SpanPayload = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentSpanId: "00f067aa0ba902b7",
  traceState: "vendor=1",
  name: "answer",
  kind: 3,
  startTimeUnixNano: "1793520000000000000",
  endTimeUnixNano: "1793520001500999999",
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
    "user.id": "overridden",
    "langfuse.observation.input": "overridden",
    "langfuse.observation.metadata.tier": "overridden",
  },
  events: [{ name: "exception", timeUnixNano: "1793520000500000000", attributes: { "exception.type": "E" } }],
  links: [{ traceId: "1af7651916cd43dd8448eb211c80319c", spanId: "17ad6b7169203331", attributes: { why: "retry" } }],
  status: { code: 2, message: "from the status" },
  resource: { attributes: { "service.name": "overridden", "host.name": "h" } },
  scope: { name: "my.scope", version: "1.2", attributes: { a: "b" } },
  type: "generation",
  input: [{ role: "user", content: "Hi" }],
  output: "Hello",
  model: "gpt-4o",
  modelParameters: { temperature: 0.2, stop: ["a"] },
  usageDetails: { input: 10, output: 20 },
  costDetails: { total: 0.001 },
  completionStartTime: "2026-11-01T08:00:00.250Z",
  promptName: "greeting",
  promptVersion: 3,
  level: "WARNING",
  statusMessage: "slow",
  version: "v9",
  metadata: { tier: "gold", tags: { a: 1 } },
  trace: {
    userId: "user-1",
    sessionId: "session-1",
    traceName: "call",
    tags: ["a", "b"],
    traceMetadata: { region: "eu", shard: 4 },
    public: true,
  },
  environment: "production",
  release: "r1",
  serviceName: "bot",
};

describe("OTLP", () => {
  test("every field", () => {
    expect(otlpRequest([full])).toEqual({
      resourceSpans: [
        {
          resource: {
            attributes: [
              { key: "host.name", value: { stringValue: "h" } },
              { key: "service.name", value: { stringValue: "bot" } },
            ],
          },
          scopeSpans: [
            {
              scope: { name: "my.scope", version: "1.2", attributes: [{ key: "a", value: { stringValue: "b" } }] },
              spans: [
                {
                  traceId: "0af7651916cd43dd8448eb211c80319c",
                  spanId: "b7ad6b7169203331",
                  parentSpanId: "00f067aa0ba902b7",
                  traceState: "vendor=1",
                  name: "answer",
                  kind: 3,
                  startTimeUnixNano: "1793520000000000000",
                  endTimeUnixNano: "1793520001500999999",
                  attributes: expect.any(Array),
                  events: [
                    {
                      name: "exception",
                      timeUnixNano: "1793520000500000000",
                      attributes: [{ key: "exception.type", value: { stringValue: "E" } }],
                    },
                  ],
                  links: [
                    {
                      traceId: "1af7651916cd43dd8448eb211c80319c",
                      spanId: "17ad6b7169203331",
                      attributes: [{ key: "why", value: { stringValue: "retry" } }],
                    },
                  ],
                  status: { code: 2, message: "from the status" },
                },
              ],
            },
          ],
        },
      ],
    });
    expect(attributesOf(full)).toEqual({
      "langfuse.observation.type": { stringValue: "generation" },
      "langfuse.observation.input": { stringValue: '[{"role":"user","content":"Hi"}]' },
      "langfuse.observation.output": { stringValue: "Hello" },
      "langfuse.observation.level": { stringValue: "WARNING" },
      "langfuse.observation.status_message": { stringValue: "slow" },
      "langfuse.version": { stringValue: "v9" },
      "langfuse.observation.model.name": { stringValue: "gpt-4o" },
      "langfuse.observation.model.parameters": { stringValue: '{"temperature":0.2,"stop":["a"]}' },
      "langfuse.observation.usage_details": { stringValue: '{"input":10,"output":20}' },
      "langfuse.observation.cost_details": { stringValue: '{"total":0.001}' },
      "langfuse.observation.completion_start_time": { stringValue: "2026-11-01T08:00:00.250Z" },
      "langfuse.observation.prompt.name": { stringValue: "greeting" },
      "langfuse.observation.prompt.version": { intValue: 3 },
      "langfuse.observation.metadata.tier": { stringValue: "gold" },
      "langfuse.observation.metadata.tags": { stringValue: '{"a":1}' },
      "langfuse.environment": { stringValue: "production" },
      "langfuse.release": { stringValue: "r1" },
      "langfuse.trace.name": { stringValue: "call" },
      "langfuse.user.id": { stringValue: "user-1" },
      "langfuse.session.id": { stringValue: "session-1" },
      "langfuse.trace.tags": { arrayValue: { values: [{ stringValue: "a" }, { stringValue: "b" }] } },
      "langfuse.trace.public": { boolValue: true },
      "langfuse.trace.metadata.region": { stringValue: "eu" },
      "langfuse.trace.metadata.shard": { stringValue: "4" },
      text: { stringValue: "a" },
      whole: { intValue: 7 },
      zero: { doubleValue: 0 },
      half: { doubleValue: 0.5 },
      huge: { doubleValue: 1e300 },
      yes: { boolValue: true },
      list: { arrayValue: { values: [{ stringValue: "a" }, { intValue: 1 }] } },
      nested: { kvlistValue: { values: [{ key: "b", value: { intValue: 2 } }] } },
    });
  });

  test("attributes in OTLP's own form pass through, integers as Langfuse reads them", () => {
    const attributes = [
      { key: "a", value: { stringValue: "x" } },
      { key: "tokens", value: { intValue: "12" } },
      { key: "none", value: { intValue: "0" } },
      { key: "nan", value: { doubleValue: "NaN" } },
      { key: "too.big", value: { intValue: "9223372036854775807" } },
      { key: "list", value: { arrayValue: { values: [{ intValue: "5" }] } } },
      { key: "user.id", value: { stringValue: "overridden" } },
      { value: { stringValue: "no key" } } as never,
    ];
    expect(attributesOf(span(1, { attributes, trace: { userId: "u" } }))).toEqual({
      "langfuse.user.id": { stringValue: "u" },
      a: { stringValue: "x" },
      tokens: { intValue: 12 },
      none: { doubleValue: 0 },
      nan: { doubleValue: "NaN" },
      "too.big": { intValue: "9223372036854775807" },
      list: { arrayValue: { values: [{ intValue: 5 }] } },
    });
  });

  test("groups by resource and scope; names itself where a span brings neither", () => {
    const scope = { name: "s" };
    const request = otlpRequest([span(1), span(2, { scope }), span(3), span(4, { serviceName: "other", scope })]);
    expect(
      request.resourceSpans.map(({ resource, scopeSpans }) => [
        resource.attributes.map(({ key, value }) => `${key}=${value.stringValue}`),
        scopeSpans.map(({ scope: { name }, spans }) => [name, spans.map((one) => one.name)]),
      ]),
    ).toEqual([
      [
        ["telemetry.sdk.language=nodejs", "telemetry.sdk.name=langfuse-span-buffer"],
        [
          ["langfuse-span-buffer", ["span 1", "span 3"]],
          ["s", ["span 2"]],
        ],
      ],
      [
        ["telemetry.sdk.language=nodejs", "telemetry.sdk.name=langfuse-span-buffer", "service.name=other"],
        [["s", ["span 4"]]],
      ],
    ]);
  });

  test.each(observationTypes)("type %s", (type) => {
    expect(attributesOf(span(1, { type }))).toEqual({ "langfuse.observation.type": { stringValue: type } });
  });

  test("what Langfuse would drop the span for is moved to the metadata", () => {
    const odd = span(1, {
      level: "INFO" as never,
      type: "robot" as never,
      usageDetails: { input: 1.5, output: 2 },
      metadata: "text",
    });
    expect(attributesOf(odd)).toEqual({
      "langfuse.observation.usage_details": { stringValue: '{"output":2}' },
      "langfuse.observation.metadata.level": { stringValue: "INFO" },
      "langfuse.observation.metadata.type": { stringValue: "robot" },
      "langfuse.observation.metadata.metadata": { stringValue: "text" },
      "langfuse.observation.metadata.usageDetails": { stringValue: '{"input":1.5}' },
    });
    expect(attributesOf(span(1, { attributes: { "langfuse.observation.level": "info" } }))).toEqual({
      "langfuse.observation.metadata.level": { stringValue: "info" },
    });
  });
});

test.each([
  ["Production EU", "production-eu"],
  ["langfuse-prod", "x-langfuse-prod"],
  ["a".repeat(50), "a".repeat(40)],
  ["", "default"],
  ["ok_1-2", "ok_1-2"],
])("environment %s becomes %s", (environment, expected) => {
  expect(attributesOf(span(1, { environment }))["langfuse.environment"]).toEqual({ stringValue: expected });
  expect(observation(span(1, { environment })).body["environment"]).toBe(expected);
  const resource = { attributes: { "deployment.environment": environment || "ÄÖ" } };
  const fromResource = attributesOf(span(1, { resource }))["langfuse.environment"];
  const clean = environment === "" ? "--" : expected;
  expect(fromResource).toEqual(environment === expected ? undefined : { stringValue: clean });
  expect(observation(span(1, { resource })).body["environment"]).toBe(clean);
});

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

test("the same payloads give the same bytes", () => {
  const copies = [full, structuredClone(full)].map((payload) => [payload, span(1), span(2, { type: "agent" })]);
  const [first, second] = copies.map((payloads) => [
    JSON.stringify(otlpRequest(payloads)),
    JSON.stringify(ingestionPlan(payloads, 3)),
  ]);
  expect(second).toEqual(first);
});

function attributesOf(payload: SpanPayload): Record<string, unknown> {
  const attributes = otlpRequest([payload]).resourceSpans[0]?.scopeSpans[0]?.spans[0]?.attributes ?? [];
  expect(new Set(attributes.map(({ key }) => key)).size).toBe(attributes.length);
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
}

function observation(payload: SpanPayload, major?: number): IngestionEvent {
  return ingestionPlan([payload], major).request.batch[1] as IngestionEvent;
}
