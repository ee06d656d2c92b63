/** The mapping to OTLP, field by field. What is expected is written out here, not taken from the table. */
import { describe, expect, test } from "vitest";
import { observationTypes } from "../../src/buffer/span-payload.ts";
import { ingestionPlan } from "../../src/export/ingestion.ts";
import { attributesOf, full, observation, requestOf } from "./mapped.ts";
import { span } from "./tasks.ts";

describe("OTLP", () => {
  test("every field", () => {
    expect(requestOf([full])).toEqual({
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
    const request = requestOf([span(1), span(2, { scope }), span(3), span(4, { serviceName: "other", scope })]);
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

test("the same payloads give the same bytes", () => {
  const copies = [full, structuredClone(full)].map((payload) => [payload, span(1), span(2, { type: "agent" })]);
  const [first, second] = copies.map((payloads) => [
    JSON.stringify(requestOf(payloads)),
    JSON.stringify(ingestionPlan(payloads, 3)),
  ]);
  expect(second).toEqual(first);
});
