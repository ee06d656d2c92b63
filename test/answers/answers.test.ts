/** The answer table (docs/architecture.md), each row by each way, under load: an account from what the server stored. */
import { describe, expect, test } from "vitest";
import { until } from "../support/buffers.ts";
import { type AnswerCase, expectAccount, runOf, ways } from "./ways.ts";

const cases: readonly AnswerCase[] = [
  { name: "nobody there", fault: { kind: "down" }, says: /the connection was refused/ },
  { name: "no answer", fault: { kind: "hang" }, says: /did not answer in full within 1 s/ },
  {
    name: "stored, but answered too late",
    fault: { kind: "slow", delayMs: 1_600 },
    says: /within 1 s/,
    isTwice: true,
  },
  { name: "reset before it is stored", fault: { kind: "reset" }, says: /the connection was reset/ },
  {
    name: "stored, then reset",
    fault: { kind: "reset", when: "after" },
    says: /the connection was reset/,
    isTwice: true,
  },
  { name: "an answer that stops in its middle", fault: { kind: "stalled-body" }, says: /within 1 s/ },
  {
    name: "stored, and an answer that stops in its middle",
    fault: { kind: "stalled-body", when: "after" },
    says: /within 1 s/,
    isTwice: true,
  },
  { name: "401", fault: { kind: "unauthorized" }, says: /refuses the keys: .*LANGFUSE_PUBLIC_KEY/, state: "held" },
  { name: "403", fault: { kind: "forbidden" }, says: /refuses the keys: .*suspended/, state: "held" },
  { name: "a page for people", fault: { kind: "html" }, says: /200 with text\/html instead of JSON/ },
  { name: "an empty 200", fault: { kind: "empty" }, says: /not Langfuse at .* a 200 with/ },
  { name: "a proxy's 400", fault: { kind: "html", status: 400 }, says: /a 400 in HTML/ },
  { name: "a proxy's 404", fault: { kind: "html", status: 404 }, says: /no Langfuse at .*404/ },
  { name: "500", fault: { kind: "error", status: 500 }, says: /has trouble \(500\)/ },
  { name: "503", fault: { kind: "error", status: 503 }, says: /has trouble \(503\)/ },
  { name: "a status that nobody sends", fault: { kind: "error", status: 600 }, says: /status 600|could not be read/ },
  { name: "408", fault: { kind: "error", status: 408 }, says: /asks for a pause of 1 s: .*408/ },
  { name: "429, a fraction", fault: { kind: "rate-limited", retryAfter: "0.25" }, says: /pause of 1 s: .*429/ },
  { name: "429, seconds", fault: { kind: "rate-limited", retryAfter: "1" }, says: /pause of 1 s: .*429/ },
  {
    name: "429, a date of a clock that is an hour ahead",
    fault: {
      kind: "rate-limited",
      date: "Mon, 23 Nov 2026 13:00:00 GMT",
      retryAfter: "Mon, 23 Nov 2026 13:00:02 GMT",
    },
    says: /pause of 2 s: .*429/,
  },
  { name: "207, half of it 500", fault: { kind: "partial", status: 500 }, says: /./, transport: "ingestion" },
  { name: "207, half of it 429", fault: { kind: "partial", status: 429 }, says: /./, transport: "ingestion" },
  {
    name: "207, half of it 401",
    fault: { kind: "partial", status: 401 },
    says: /refuses the keys/,
    state: "held",
    transport: "ingestion",
  },
];

describe.each(ways)("$name", (way) => {
  test.each(cases.filter(({ transport = way.transport }) => transport === way.transport))(
    "$name: kept, said, sent when it is over",
    async ({ fault, says, state, isTwice }) => {
      const run = await runOf(way);
      run.end(100);
      await run.server.setFault(fault);
      await run.loadUntil(() => run.said.some((text) => says.test(text)));
      if (state !== undefined) await run.loadUntil(() => run.states.has(state));
      await run.server.setFault(undefined);
      await run.drain();
      expectAccount(run);
      if (fault.kind !== "partial") expect(Object.keys(run.server.mayComeAgain()).length > 0).toBe(isTwice === true);
      if (fault.kind !== "partial") await until(() => run.said.some((text) => text.includes("takes spans again")));
      await until(() => run.buffer.stats().lastError === undefined);
    },
  );

  test.each([400, 405, 422])(
    "%i for whole batches: halved, and nothing is lost that the server takes",
    async (status) => {
      const run = await runOf(way);
      await run.server.setFault({ kind: "error", status, body: "no", times: 3 });
      run.end(200);
      await run.drain();
      expectAccount(run);
      expect(run.server.account().requestsByStatus[status]).toBe(3);
    },
  );
});
