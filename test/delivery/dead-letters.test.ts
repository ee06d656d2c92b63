import { expect, test } from "vitest";
import { SpanBuffer } from "../../src/index.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** The stand-in refuses spans that carry this, as Langfuse would one that it cannot read. */
const poison = { attributes: { "stand-in.poison": true } };

function endPoison(buffer: SpanBuffer, count: number, input = ""): string[] {
  return Array.from({ length: count }, (_, index) => {
    const span = buffer.startSpan(`poison ${index}`, { ...poison, input });
    span.end();
    return span.spanId;
  });
}

test("they are listed with the server's words, newest first, page by page, and shown whole", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  endSpans(buffer, 20);
  const ids = endPoison(buffer, 5);
  const result = await buffer.flush({ timeoutMs: 20_000 });
  expect(result).toMatchObject({ acknowledged: 20, deadLettered: 5, pending: 0 });
  const first = await buffer.deadLetters.list({ limit: 3 });
  const second = await buffer.deadLetters.list({ limit: 3, before: first.next as number });
  const letters = [...first.letters, ...second.letters];
  expect(second.next).toBeUndefined();
  expect(letters.map(({ id }) => id)).toEqual([5, 4, 3, 2, 1]);
  expect(new Set(letters.map(({ spanId }) => spanId))).toEqual(new Set(ids));
  for (const letter of letters) {
    expect(letter).toMatchObject({ status: 400, name: expect.stringMatching(/^poison \d$/) });
    expect(letter.reason).toContain("poison");
    expect(letter.diedAtMs).toBeGreaterThanOrEqual(letter.acceptedAtMs);
  }
  const shown = await buffer.deadLetters.get(3);
  expect(shown?.span).toMatchObject({ spanId: shown?.spanId, attributes: { "stand-in.poison": true } });
  expect(await buffer.deadLetters.get(99)).toBeUndefined();
  expect(buffer.stats().deadLetterBytes).toBeGreaterThan(5 * 100);
});

test("retried they are sent again: refused they come back, accepted they are acknowledged; nothing is unaccounted for", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  const gaps: number[] = [];
  const sampler = setInterval(() => gaps.push(missingFromAccount(buffer.stats())), 20);
  await server.setFault({ kind: "error", status: 400, body: "no" });
  const ids = endSpans(buffer, 30);
  await buffer.flush({ timeoutMs: 20_000 });
  expect(buffer.stats()).toMatchObject({ deadLettered: 30, pending: 0, acknowledged: 0 });
  expect(await buffer.deadLetters.retry([1, 2, 77])).toBe(2);
  await buffer.flush({ timeoutMs: 20_000 });
  expect(buffer.stats()).toMatchObject({ deadLettered: 30, pending: 0 });
  await server.setFault(undefined);
  expect(await buffer.deadLetters.retry("all")).toBe(30);
  await buffer.flush({ timeoutMs: 20_000 });
  clearInterval(sampler);
  expect(buffer.stats()).toMatchObject({ deadLettered: 0, acknowledged: 30, pending: 0, deadLetterBytes: 0 });
  expect(new Set(Object.keys(server.ids()))).toEqual(new Set(ids));
  expect(server.account().twice).toBe(0);
  expect(gaps.length).toBeGreaterThan(3);
  expect(gaps.filter((gap) => gap !== 0)).toEqual([]);
});

test("they outlive the process, and those of an earlier one are recovered when they are retried", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const first = bufferFor(server.url, { directory });
  await server.setFault({ kind: "error", status: 422, body: "not today" });
  const ids = endSpans(first, 4);
  await first.flush({ timeoutMs: 20_000 });
  await first.shutdown({ timeoutMs: 4_000 });
  await server.setFault(undefined);
  const second = bufferFor(server.url, { directory });
  const { letters } = await second.deadLetters.list();
  expect(letters).toHaveLength(4);
  expect(letters[0]).toMatchObject({ status: 422 });
  expect(second.stats()).toMatchObject({ accepted: 0, deadLettered: 0 });
  expect(await second.deadLetters.remove([letters[0]?.id as number])).toBe(1);
  expect(await second.deadLetters.retry("all")).toBe(3);
  await second.flush({ timeoutMs: 20_000 });
  expect(second.stats()).toMatchObject({ accepted: 3, recovered: 3, acknowledged: 3, deadLettered: 0 });
  expect(Object.keys(server.ids()).every((id) => ids.includes(id))).toBe(true);
});

test("their room is bounded: the oldest leave, counted, and a warning comes before", async () => {
  const server = await standIn();
  const warnings: string[] = [];
  const maxDeadLetterBytes = 64 * 1024;
  const buffer = bufferFor(server.url, { maxDeadLetterBytes, logger: { warn: (text) => void warnings.push(text) } });
  await server.setFault({ kind: "error", status: 400, body: "no" });
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < 20; index++) buffer.startSpan(`${round}`, { input: "x".repeat(1_000) }).end();
    await buffer.flush({ timeoutMs: 20_000 });
    expect(buffer.stats().deadLetterBytes).toBeLessThanOrEqual(maxDeadLetterBytes);
  }
  const { deadLettered, deadLettersLeft, deadLetterBytes } = buffer.stats();
  const { letters } = await buffer.deadLetters.list({ limit: 1_000 });
  expect(deadLettered).toBe(120);
  expect(letters.length).toBe(120 - deadLettersLeft);
  expect(deadLettersLeft).toBeGreaterThan(40);
  expect(deadLetterBytes).toBeGreaterThan(maxDeadLetterBytes * 0.9);
  expect(letters.map(({ name }) => name)).not.toContain("0");
  expect(warnings.filter((text) => text.includes("maxDeadLetterBytes"))).toHaveLength(1);
  expect(missingFromAccount(buffer.stats())).toBe(0);
});

test("what is not allowed is refused in so many words", async () => {
  const buffer = bufferFor("http://127.0.0.1:9");
  await expect(buffer.deadLetters.list({ limit: 0 })).rejects.toThrow(/limit 0 is not allowed: 1 … 1000/);
  await expect(buffer.deadLetters.get(1.5)).rejects.toThrow(/get 1.5 is not allowed/);
  await expect(buffer.deadLetters.retry("some" as "all")).rejects.toThrow(/a list of ids, or "all"/);
  await expect(buffer.deadLetters.remove([1, -1])).rejects.toThrow(/remove -1 is not allowed/);
});

test("after shutdown, and with tracing off, there is an answer too", async () => {
  const buffer = bufferFor("http://127.0.0.1:9");
  await buffer.shutdown({ timeoutMs: 2_000 });
  await expect(buffer.deadLetters.list()).rejects.toThrow(/the buffer was shut down/);
  const off = new SpanBuffer({ enabled: false });
  expect(await off.deadLetters.list()).toEqual({ letters: [], next: undefined });
  expect(await off.deadLetters.get(1)).toBeUndefined();
  expect(await off.deadLetters.retry("all")).toBe(0);
});

test("a retry waits in the journal while Langfuse is away", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url);
  await server.setFault({ kind: "error", status: 400, body: "no" });
  endSpans(buffer, 3);
  await buffer.flush({ timeoutMs: 20_000 });
  await server.setFault({ kind: "down" });
  expect(await buffer.deadLetters.retry("all")).toBe(3);
  await until(() => buffer.stats().state === "backing-off");
  expect(buffer.stats()).toMatchObject({ pending: 3, journalSpans: 3, deadLettered: 0 });
  await server.setFault(undefined);
  await buffer.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 3, twice: 0 });
});
