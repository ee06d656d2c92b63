/** Spans as they may be stored, of every shape that is more or less sound. */
import fc from "fast-check";
import { observationLevels, observationTypes, type SpanPayload } from "../../src/buffer/span-payload.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  // Long enough for the native search, with what it must stop at.
  fc.string({
    unit: fc.constantFrom("a", "bc", "\\", '"', "\n", "ü", "{", "x".repeat(40)),
    minLength: 20,
    maxLength: 60,
  }),
);
const key = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    "langfuse.observation.input",
    "langfuse.observation.level",
    "langfuse.observation.metadata.tier",
    "langfuse.trace.tags",
    "langfuse.environment",
    "deployment.environment",
    "session.id",
    "user.id",
    "gen_ai.usage.input_tokens",
    "ü.😀",
  ),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -1, 2 ** 40),
);
const value = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
const plainForm = fc.dictionary(key, value, { maxKeys: 8 });
const integer = fc.oneof(fc.integer(), fc.constantFrom(0, -0, 2 ** 31, 2 ** 40, 2 ** 60, -1e15, 1e21, 0.5));
const tagged = (tag: string, inside: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
  inside.map((one) => ({ [tag]: one }));
const soundValue = fc.letrec<{ value: Record<string, unknown>; entry: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tagged("stringValue", text),
    tagged("boolValue", fc.boolean()),
    tagged("intValue", fc.oneof(integer, integer.map(String), fc.constantFrom("007", "-0", "9007199254740993"))),
    tagged("doubleValue", fc.oneof(number, fc.constantFrom("NaN", "Infinity", "-Infinity", "1.5"))),
    tagged("arrayValue", fc.record({ values: fc.array(tie("value"), { maxLength: 3 }) })),
    tagged("kvlistValue", fc.record({ values: fc.array(tie("entry"), { maxLength: 3 }) })),
    tagged("bytesValue", fc.base64String()),
    fc.constant({}),
  ),
  entry: fc.record({ key, value: tie("value") }),
}));
/** What a client may take for a value; of some of it no request can be made. */
const oddValue = fc.oneof(
  fc.constantFrom<unknown>({ stringValue: 5 }, { stringValue: null }, { arrayValue: { values: [null] } }),
  fc.constantFrom<unknown>({ bytesValue: 5 }, { doubleValue: true }, { boolValue: null }),
  fc.constantFrom<unknown>("[cut]", null, 5, [], { unknownValue: 1 }, { boolValue: "true" }, { intValue: "many" }),
  fc.constantFrom<unknown>(
    { arrayValue: {} },
    { kvlistValue: { values: [null] } },
    { arrayValue: { values: ["[cut]"] } },
  ),
  fc.record({ stringValue: text, intValue: fc.integer() }),
  fc.record({ intValue: fc.integer(), stringValue: text }),
);
const oddEntry = fc.oneof(
  fc.record({ key, value: oddValue }),
  fc.record({ value: soundValue.value, key }),
  fc.record({ key, value: soundValue.value, more: value }),
  fc.record({ key }),
  fc.record({ key: fc.constant(5), value: soundValue.value }),
  fc.constantFrom<unknown>(null, "[cut]", [], {}),
);
/** OTLP's own form; `odd`: among the entries may be such as are none. */
const listForm = (odd: boolean): fc.Arbitrary<never[]> =>
  fc.array(odd ? fc.oneof({ arbitrary: soundValue.entry, weight: 9 }, oddEntry) : soundValue.entry, {
    maxLength: 8,
  }) as fc.Arbitrary<never[]>;
const attributes = fc.oneof(plainForm, listForm(false), listForm(true));
const nanos = fc.bigInt({ min: 1n, max: 9_999_999_999_999_999_999n }).map(String);
const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(..."0123456789abcdef".split("")), minLength: digits, maxLength: digits })
    .map((id) => `1${id.slice(1)}`);
const identity = { traceId: hex(32), spanId: hex(16), name: text, startTimeUnixNano: nanos, endTimeUnixNano: nanos };
const counts = fc.dictionary(fc.string({ maxLength: 8 }), fc.nat(), { maxKeys: 4 });

/** A count, and sometimes what is none. */
const dropped = fc.oneof(
  { arbitrary: fc.constantFrom(0, 1, 300, 999_999_999), weight: 5 },
  fc.constantFrom<unknown>(2 ** 31, -1, 0.5, "3", null),
);
/** An event or a link, which may have lost attributes. */
const losing = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
  fc.record({ ...fields, droppedAttributesCount: dropped }, { requiredKeys: Object.keys(fields) as never[] });

export const record: fc.Arbitrary<SpanPayload> = fc.record(
  {
    ...identity,
    parentSpanId: hex(16),
    kind: fc.nat(5),
    attributes,
    events: fc.array(losing({ name: text, timeUnixNano: nanos, attributes }), { maxLength: 2 }),
    links: fc.array(losing({ traceId: hex(32), spanId: hex(16), attributes }), { maxLength: 2 }),
    droppedAttributesCount: dropped,
    droppedEventsCount: dropped,
    droppedLinksCount: dropped,
    status: fc.record({ code: fc.nat(2), message: text }, { requiredKeys: [] }),
    resource: fc.record({ attributes }),
    scope: fc.record({ name: text, version: text, attributes }, { requiredKeys: [] }),
    traceState: text,
  },
  { requiredKeys: ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"] },
) as unknown as fc.Arbitrary<SpanPayload>;

export const observation: fc.Arbitrary<SpanPayload> = fc.record(
  {
    ...identity,
    type: fc.constantFrom(...observationTypes),
    level: fc.constantFrom(...observationLevels),
    input: value,
    output: value,
    model: text,
    modelParameters: fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
    usageDetails: counts,
    costDetails: fc.dictionary(fc.string({ maxLength: 8 }), fc.double({ min: 0, max: 1e3, noNaN: true }), {
      maxKeys: 3,
    }),
    metadata: fc.oneof(fc.dictionary(key, value, { maxKeys: 4 }), text),
    promptName: text,
    promptVersion: fc.nat(),
    statusMessage: text,
    version: text,
    environment: fc.constantFrom("production", "test-1", "Not Clean", "langfuse-own"),
    release: text,
    serviceName: text,
    attributes,
    trace: fc.record(
      {
        userId: text,
        sessionId: text,
        tags: fc.array(text, { maxLength: 3 }),
        public: fc.boolean(),
        traceMetadata: plainForm,
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"] },
);
