import { expect, test } from "vitest";
import { ConstantFieldsTable } from "../../src/buffer/constant-fields.ts";
import { Intake } from "../../src/buffer/intake.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RuleMask } from "../../src/mask/rule-mask.ts";

const noConstants = { environment: undefined, release: undefined, serviceName: undefined };
const span = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203301",
  name: "ask bob@example.com",
  startTimeUnixNano: "1793520000000000000",
  endTimeUnixNano: "1793520000000000000",
};

function intake(maxMemoryBytes: number, maxSpanBytes = 10_000): Intake {
  const mask = new RuleMask(["email", { keys: ["pin"] }]);
  return new Intake({ ring: createRingMemory(64 * 1024), maxSpanBytes, maxMemoryBytes, mask });
}

const texts = (taker: Intake): string[] => taker.undelivered().map((payload) => payload.toString());

test("what spans share with others, as OpenTelemetry's resource, is masked with each, in ring and overflow", () => {
  const surroundings = { resource: { attributes: { owner: "ann@example.com" } }, scope: { name: "eve@example.com" } };
  const table = new ConstantFieldsTable(noConstants, surroundings);
  const taker = intake(64 * 1024 * 1024);
  for (let index = 0; index < 500; index++) taker.offer({ ...span, input: "x".repeat(200) }, table.for(span));
  taker.offerTaken(taker.take(span, table.for(span)));
  taker.close();
  expect(taker.overflowCount).toBeGreaterThan(0);
  expect(texts(taker)).toHaveLength(501);
  expect(texts(taker).join("")).not.toContain("@example");
  expect(JSON.parse(texts(taker).at(-1) ?? "")).toEqual({
    ...span,
    name: "ask [masked email]",
    resource: { attributes: { owner: "[masked email]" } },
    scope: { name: "[masked email]" },
  });
});

test("markers that make a span longer than it may be are no way past the limit", () => {
  const taker = intake(1_000_000, 2_000);
  taker.offer({ ...span, input: Array.from({ length: 200 }, () => ({ pin: 1 })) });
  taker.close();
  expect(texts(taker).map((text) => Buffer.byteLength(text) <= 2_000)).toEqual([true]);
  expect([taker.truncated, texts(taker).join("").includes('"pin":1')]).toEqual([1, false]);
});
