import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { SpanBuffer } from "../../src/index.ts";
import { askHolder, attendRequest } from "../../src/workers/letter-request.ts";
import { bufferFor, endSpans, missingFromAccount, standIn } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { cli, cliJson, leaveJournal, ownerAt, storedSpan } from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000 });

interface Letters {
  letters: { id: string; status: number; reason: string; spanId: string }[];
}

async function deadLetters(directory: string): Promise<Letters["letters"]> {
  return (await cliJson<Letters>(["dead-letters", "list", "--directory", directory])).result.letters;
}

/** A buffer with dead letters, and its server, well again. */
async function refused(
  count: number,
): Promise<{ buffer: SpanBuffer; server: Awaited<ReturnType<typeof standIn>>; directory: string; ids: string[] }> {
  const server = await standIn();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory });
  await server.setFault({ kind: "error", status: 422, body: "not like this" });
  const ids = endSpans(buffer, count);
  expect(await buffer.flush({ timeoutMs: 20_000 })).toMatchObject({ deadLettered: count, pending: 0 });
  await server.setFault(undefined);
  return { buffer, server, directory, ids };
}

test("beside a running bot they are listed and shown, and the bot itself retries and removes them", async () => {
  const { buffer, server, directory, ids } = await refused(4);
  const letters = await deadLetters(directory);
  expect(letters.map(({ id }) => id)).toEqual(["1:4", "1:3", "1:2", "1:1"]);
  expect(letters[0]).toMatchObject({ status: 422, reason: expect.stringContaining("not like this") });
  const shown = await cliJson<{ span: { spanId: string } }>(["dead-letters", "show", "1:2", "--directory", directory]);
  expect(shown.result.span.spanId).toBe(letters[2]?.spanId);
  const removed = await cliJson(["dead-letters", "remove", "1:4", "--yes", "--directory", directory]);
  expect(removed).toMatchObject({ code: 0, result: { remove: 1, failed: [] } });
  expect(await deadLetters(directory)).toHaveLength(3);
  const retried = await cliJson(["dead-letters", "retry", "--all", "--directory", directory]);
  expect(retried).toMatchObject({ code: 0, result: { retry: 3, failed: [] } });
  await buffer.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 3, twice: 0 });
  expect(ids).toEqual(expect.arrayContaining(Object.keys(server.ids())));
  expect(missingFromAccount(buffer.stats())).toBe(0);
  expect(await deadLetters(directory)).toEqual([]);
  // Nothing of the conversation stays behind.
  expect(readdirSync(directory).filter((name) => /request|answer/.test(name))).toEqual([]);
});

test("of a bot that has ended they are retried in its journal, for whoever comes next", async () => {
  const { buffer, server, directory } = await refused(3);
  await buffer.shutdown({ timeoutMs: 5_000 });
  expect(await cliJson(["dead-letters", "retry", "1:1", "1:3", "--directory", directory])).toMatchObject({
    code: 0,
    result: { retry: 2 },
  });
  expect(await deadLetters(directory)).toMatchObject([{ id: "1:2" }]);
  const next = bufferFor(server.url, { directory });
  await next.flush({ timeoutMs: 20_000 });
  expect(server.account()).toMatchObject({ spans: 2, twice: 0 });
});

test("a process that does not attend to it: said in time, and the request is withdrawn", async () => {
  const directory = temporaryDirectory();
  leaveJournal(directory, ownerAt("http://127.0.0.1:9"), [storedSpan(1, 1)]);
  const file = join(directory, "journal-1.sqlite");
  const asked = askHolder(file, { name: "retry", ids: "all" }, 300);
  await expect(askHolder(file, { name: "retry", ids: "all" }, 300)).rejects.toThrow(/another request is under way/);
  await expect(asked).rejects.toThrow(/has not answered in 0.3 s/);
  expect(existsSync(file.replace(".sqlite", ".request"))).toBe(false);
  const revive = vi.fn(() => 0);
  const letters = { deadLetters: undefined as never, revive, removeDeadLetters: () => 1 };
  expect(attendRequest(file, letters)).toBe(false);
  // One whose asker was killed, found by a later holder.
  const request = { id: "1", untilMs: Date.now() - 1, command: { name: "retry", ids: "all" } };
  writeFileSync(file.replace(".sqlite", ".request"), JSON.stringify(request));
  expect(attendRequest(file, letters)).toBe(false);
  expect(revive).not.toHaveBeenCalled();
  expect(existsSync(file.replace(".sqlite", ".request"))).toBe(false);
});

test("what is not allowed is refused in so many words", async () => {
  const { directory } = await refused(1);
  const at = ["--directory", directory];
  const unasked = await cli(["dead-letters", "remove", "--all", ...at]);
  expect(unasked).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--yes") });
  expect((await cli(["dead-letters", "retry", ...at])).stderr).toContain("--all");
  expect((await cli(["dead-letters", "retry", "17", ...at])).stderr).toContain("1:17 is one");
  expect((await cli(["dead-letters", "retry", "9:1", ...at])).stderr).toContain("there is no journal 9: there are 1");
  expect((await cli(["dead-letters", "show", "1:9", ...at])).code).toBe(1);
  expect(await deadLetters(directory)).toHaveLength(1);
});
