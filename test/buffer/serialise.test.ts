import fc from "fast-check";
import { expect, test } from "vitest";
import { serialise } from "../../src/buffer/serialise.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";

const limit = 1_000_000;

function payloadWith(fields: Partial<SpanPayload>): SpanPayload {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    name: "llm",
    startTimeUnixNano: "1793520001000000000",
    endTimeUnixNano: "1793520002000000000",
    ...fields,
  };
}

/** What arrives of an input, next to a sound output that must always arrive. */
function arrived(input: unknown, maxBytes = limit): unknown {
  const { text } = serialise(payloadWith({ input, output: { fine: [1, "two"] } }), maxBytes);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes);
  expect(text.isWellFormed()).toBe(true);
  const parsed = JSON.parse(text) as SpanPayload;
  expect(parsed.output).toEqual({ fine: [1, "two"] });
  expect(parsed.spanId).toBe("b7ad6b7169203331");
  return parsed.input;
}

test("plain values arrive as they are", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(arrived(value)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("whatever the value, the span arrives", () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
        withNullPrototype: true,
        withBoxedValues: true,
      }),
      (value) => {
        arrived(value);
      },
    ),
  );
});

test("a cycle is cut where it closes", () => {
  const message: Record<string, unknown> = { role: "user" };
  message["self"] = message;
  expect(arrived({ message })).toEqual({ message: { role: "user", self: "[Circular]" } });
});

test("the same object twice is no cycle", () => {
  const shared = { a: 1n };
  expect(arrived([shared, shared])).toEqual([{ a: "[BigInt 1]" }, { a: "[BigInt 1]" }]);
});

class Money {
  readonly amount = 5;
  toJSON(): unknown {
    return { euro: this.amount };
  }
}

test.each<[string, unknown, unknown]>([
  ["BigInt", 12345678901234567890n, "[BigInt 12345678901234567890]"],
  ["function", function named() {}, "[Function named]"],
  ["symbol", Symbol("s"), "[Symbol(s)]"],
  ["NaN", Number.NaN, "[NaN]"],
  ["Infinity", Number.NEGATIVE_INFINITY, "[-Infinity]"],
  ["lone surrogate", "a\uD83Db", "a[Lone surrogate U+D83D]b"],
  ["a pair is none", "a😀b", "a😀b"],
  ["text that looks like an escape", "\\ud83d", "\\ud83d"],
  ["invalid date", new Date(Number.NaN), "[Invalid Date]"],
  ["date", new Date(0), "1970-01-01T00:00:00.000Z"],
  ["Map", new Map([["k", 1]]), { "[Map of 1]": [["k", 1]] }],
  ["Set", new Set([1, 2]), { "[Set of 2]": [1, 2] }],
  ["Buffer", Buffer.alloc(3), "[Buffer of 3 bytes]"],
  ["typed array", new Float64Array(2), "[Float64Array of 16 bytes]"],
  ["RegExp", /x/g, "[RegExp /x/g]"],
  ["Promise", Promise.resolve(1), "[Promise]"],
  ["a class with toJSON", new Money(), { euro: 5 }],
])("%s", (_name, value, expected) => {
  expect(arrived(value)).toEqual(expected);
  expect(arrived({ deep: [value] })).toEqual({ deep: [expected] });
});

test("an Error arrives with name, message, stack and cause", () => {
  const error = new TypeError("wrong", { cause: new Error("why") });
  expect(arrived(error)).toMatchObject({
    "[Error]": "TypeError: wrong",
    stack: expect.stringContaining("serialise.test.ts") as unknown,
    cause: { "[Error]": "Error: why" },
  });
});

test("getters and toJSON that throw are marked, what stands beside them arrives", () => {
  const hostile = {
    ok: 1,
    get bad(): unknown {
      throw new Error("no");
    },
    json: {
      toJSON(): unknown {
        throw new RangeError("never");
      },
    },
  };
  expect(arrived(hostile)).toEqual({
    ok: 1,
    bad: "[Getter threw Error: no]",
    json: "[toJSON threw RangeError: never]",
  });
});

test("a proxy that throws at everything", () => {
  const handler = new Proxy(
    {},
    {
      get: () => () => {
        throw new Error("trap");
      },
    },
  ) as ProxyHandler<object>;
  expect(arrived(new Proxy({}, handler))).toBe("[Threw Error: trap]");
});

test("10,000 nested levels are cut, not lost", () => {
  let nested: unknown = "core";
  for (let level = 0; level < 10_000; level++) nested = { nested };
  const text = JSON.stringify(arrived(nested));
  expect(text).toContain("[Nested deeper than 128 levels]");
});

test("a string beyond the limit keeps its beginning and says how much is gone", () => {
  const input = arrived("abc".repeat(200_000), 100_000) as string;
  expect(input.startsWith("abcabc")).toBe(true);
  expect(input).toMatch(/\[truncated: \d+ of 600000 characters kept\]$/);
});

test("a string of 100 MB becomes a marker without being copied", () => {
  const before = process.memoryUsage().rss;
  expect(arrived("x".repeat(100 * 1024 * 1024))).toBe("[truncated: 0 of 104857600 characters kept]");
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
});

test("many large fields are cut until the span fits, and the cut is reported", () => {
  const input = Array.from({ length: 100 }, (_, index) => ({ index, text: "y".repeat(50_000) }));
  const { text, truncated } = serialise(payloadWith({ input }), 100_000);
  expect(truncated).toBe(true);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(100_000);
  expect((JSON.parse(text) as { input: unknown[] }).input.length).toBeGreaterThan(50);
});

test("a structure that doubles with each level is cut by depth, its trunk is kept", () => {
  let doubling: unknown = "leaf";
  for (let level = 0; level < 60; level++) doubling = [doubling, doubling];
  const text = JSON.stringify(arrived({ before: 1, doubling }, 100_000));
  expect(text).toMatch(/^\{"before":1,"doubling":\[\[\[/);
  expect(text).toMatch(/\[Nested deeper than \d+ levels\]/);
});

test("an object of a million entries neither throws nor exceeds the limit", () => {
  const input = Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`key${index}`, index]));
  const { text, truncated } = serialise(payloadWith({ input }), 100_000);
  expect(truncated).toBe(true);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(100_000);
});

test("a span that fits is not reported as cut", () => {
  expect(serialise(payloadWith({ input: new Map() }), limit).truncated).toBe(false);
  expect(serialise(payloadWith({ input: "x" }), limit).truncated).toBe(false);
});
