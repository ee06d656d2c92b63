/** A score that comes again is stored once, unless the first may not be in the journal. */
import { expect, test } from "vitest";
import type { IngestionEvent } from "../../src/export/ingestion.ts";
import { RecentScores } from "../../src/server/ingestion/recent-scores.ts";
import { isCommitted, type Offering } from "../../src/server/offering.ts";
import { until } from "../support/buffers.ts";
import { FakeSink } from "./traces-support/receiving.ts";

const score: IngestionEvent = {
  id: "event-1",
  type: "score-create",
  timestamp: "2026-01-01T00:00:00.000Z",
  body: { id: "score-1", name: "quality", value: 1, traceId: "t" },
};

/** As a request does: offers the score, and waits for its commit, which a sink that is told to commits or refuses. */
async function request(recent: RecentScores, sink: FakeSink, commit: { isRefused: boolean }): Promise<boolean> {
  const offering: Offering = { sequence: 0, isLost: false };
  const offered = recent.offer(sink, score, offering);
  const committed = isCommitted(sink, offered?.sequence ?? 0, offering, 1000);
  await until(() => sink.waiting === 1);
  sink.commit(commit);
  return await committed;
}

test("who repeats a score waits for the first one's commit", async () => {
  const sink = new FakeSink(true);
  const recent = new RecentScores();
  expect(await request(recent, sink, { isRefused: false })).toBe(true);
  expect(recent.offer(sink, score, { sequence: 0, isLost: false })).toEqual({ sequence: 1, isRepeated: true });
  expect(sink.offered).toHaveLength(1);
});

test("what may have been refused for want of room comes again as new", async () => {
  const sink = new FakeSink(true);
  const recent = new RecentScores();
  expect(await request(recent, sink, { isRefused: true })).toBe(false);
  expect(await request(recent, sink, { isRefused: false })).toBe(true);
  expect(sink.offered).toHaveLength(2);
});
