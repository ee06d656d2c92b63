import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attach } from "../../src/index.ts";
import { startAttachedBot } from "../support/attached-bots.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("scores of attached threads arrive as the buffer's own do, also of one that is terminated right afterwards", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { environment: "prod" });
  const bots = [1, 2].map(() => startAttachedBot(buffer, "scores", 50));
  await until(() => bots.every((bot) => bot.ended() === 50));
  await Promise.all(bots.map(({ worker }) => worker.terminate()));
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 200, pending: 0, deadLettered: 0 });
  expect(server.scores()).toHaveLength(100);
  const spans = new Map(server.spans().map((span) => [span.id, span]));
  for (const score of server.scores()) {
    const span = spans.get(score["observationId"] as string);
    expect(span?.traceId).toBe(score["traceId"]);
    expect(score).toMatchObject({ name: span?.name, environment: "prod", dataType: "NUMERIC" });
  }
  expect(buffer.stats().scores).toMatchObject({ accepted: 100, acknowledged: 100 });
});

test("flush() and shutdown() of the buffer deliver a score that a thread gave just before, though it is the first", async () => {
  const server = await standIn();
  for (const end of ["flush", "shutdown"] as const) {
    const buffer = bufferFor(server.url);
    const attached = attach(buffer.handle());
    expect(attached.score({ sessionId: "call-4711", name: end, value: 1, metadata: { odd: () => 1 } })).toBe(true);
    expect(await buffer[end]({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 1, pending: 0, dropped: 0 });
    await attached.detach();
  }
  expect(server.scores().map(({ name }) => name)).toEqual(["flush", "shutdown"]);
});

test("what is not in the sample, or comes after the shutdown, is dropped and counted", async () => {
  const server = await standIn();
  const buffer = bufferFor(server.url, { sampleRate: 0 });
  const attached = attach(buffer.handle());
  attached.startSpan("span").score({ name: "sampled out", value: 1 }).end();
  expect(attached.score({ sessionId: "s", name: "of a session", value: 1 })).toBe(true);
  await buffer.shutdown({ timeoutMs: 10_000 });
  expect(attached.score({ sessionId: "s", name: "late", value: 1 })).toBe(false);
  expect(attached.stats().scores).toEqual({ accepted: 3, dropped: { "shut-down": 1, "sampled-out": 1 } });
  await attached.detach();
  expect(attached.score({ sessionId: "s", name: "later", value: 1 })).toBe(false);
  expect(server.scores().map(({ name }) => name)).toEqual(["of a session"]);
});

test("process.exit() while Langfuse is away, by a main thread that has heard of no score yet: the next start delivers all", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  const args = ["exit", server.url, directory, "40", "journal", "scores"];
  expect(await startProgram("attached-program.ts", args).ended).toMatchObject({ code: 0, stderr: "" });
  await server.setFault(undefined);
  const next = bufferFor(server.url, { directory });
  await until(() => next.stats().scores?.recovered === 40);
  expect(await next.flush({ timeoutMs: 20_000 })).toMatchObject({ acknowledged: 80, pending: 0 });
  expect(new Set(server.scores().map(({ value }) => value)).size).toBe(40);
  expect(missingFromAccount(next.stats())).toBe(0);
});

test("maskJournal hides what attached threads hand over before the disk has it", async () => {
  const server = await standIn();
  await server.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  for (const durability of ["journal", "strict"] as const) {
    const buffer = bufferFor(server.url, { directory, durability, mask: ["email"], maskJournal: true });
    const attached = attach(buffer.handle());
    const span = attached.startSpan("innocent", { input: "write to jane@example.com" });
    span.score({ name: "quality", value: 1, comment: "says jane@example.com" });
    span.end();
    await until(() => buffer.stats().journalSpans === 1 && buffer.stats().scores?.journalSpans === 1);
    const files = [directory, join(directory, "events")].flatMap((folder) =>
      readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => readFileSync(join(folder, name), "latin1")),
    );
    expect(files.some((content) => content.includes("innocent"))).toBe(true);
    expect(files.filter((content) => content.includes("jane@example.com"))).toEqual([]);
    await attached.detach();
    await server.setFault(undefined);
    expect(await buffer.shutdown({ timeoutMs: 20_000 })).toMatchObject({ pending: 0 });
    await server.setFault({ kind: "down" });
  }
  const seen = JSON.stringify([server.spans(), server.scores()]);
  expect(seen).toContain("innocent");
  expect(seen).not.toContain("jane@example.com");
});
