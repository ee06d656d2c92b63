import { expect, test } from "vitest";
import { AttachedIntake } from "../../src/buffer/attached-intake.ts";
import { AttachedLink, closeToAttached } from "../../src/buffer/attached-link.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import type { SpanPayload } from "../../src/buffer/span-payload.ts";

const payload: SpanPayload = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "00f067aa0ba902b7",
  name: "span",
  startTimeUnixNano: "1",
  endTimeUnixNano: "2",
};

function makeIntake(maxMemoryBytes = 1024 * 1024) {
  const [lead, ring] = [createRingMemory(4096), createRingMemory(4096)];
  const intake = new AttachedIntake({ ring, lead, maxSpanBytes: 2_000, maxMemoryBytes });
  // As the buffer's owner sees it.
  return { lead, intake, seen: new AttachedLink(ring, lead) };
}

test("a span is counted before its frame can be seen: whoever dies in between has lost it, not gained one", () => {
  const { intake, seen } = makeIntake();
  const during: number[] = [];
  const input = { toJSON: () => during.push(seen.accepted) };
  expect(intake.offer({ ...payload, input })).toBe(true);
  expect(intake.offer({ ...payload, input })).toBe(true);
  expect(during).toEqual([1, 2]);
  expect({ kept: seen.kept, sequence: intake.intake.ring.sequence }).toEqual({ kept: 2, sequence: 2 });
});

test("what is cut, dropped or not sampled is in the figures that the owner sees", () => {
  // No memory beside the ring, which holds two of the largest spans.
  const { lead, intake, seen } = makeIntake(0);
  expect(intake.offer({ ...payload, input: "x".repeat(5_000) })).toBe(true);
  let kept = 1;
  while (intake.offer({ ...payload, input: "x".repeat(1_500) })) kept++;
  intake.sampleOut();
  closeToAttached(lead);
  expect(intake.offer(payload)).toBe(false);
  expect(seen.dropped).toEqual({ "memory-full": 1, "shut-down": 1, "sampled-out": 1 });
  expect({ accepted: seen.accepted, kept: seen.kept }).toEqual({ accepted: kept + 3, kept });
  expect(seen.truncated).toBeGreaterThan(0);
  expect(intake.waiting).toBe(kept);
});
