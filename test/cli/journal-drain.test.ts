import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openHeldEvents } from "../../src/buffer/held-files.ts";
import { heldEvent, storedEvent } from "../../src/server/ingestion/describe-event.ts";
import { bufferFor, endSpans, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import {
  cli,
  cliJson,
  eventsDirectory,
  hex,
  keysEnv,
  leaveJournal,
  ownerAt,
  score,
  storedSpan,
} from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 120_000 });

interface Drained {
  acknowledged: number;
  deadLettered: number;
  left: number;
  inUse: { journal: string; waiting: number }[];
  otherProjects: { journal: string; waiting: number; owner: { publicKey: string } }[];
}

function spans(trace: number, count: number): object[] {
  return Array.from({ length: count }, (_, index) => storedSpan(trace, index + 1));
}

test("delivers all that dead processes left, scores too, once; then nothing is left", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const env = { ...keysEnv, LANGFUSE_BASE_URL: server.url };
  for (let trace = 1; trace <= 4; trace++) leaveJournal(directory, ownerAt(server.url), spans(trace, 250));
  leaveJournal(eventsDirectory(directory), ownerAt(server.url), [score("s1", hex(1, 32)), score("s2", hex(2, 32))]);
  // One that was killed: its spans are in a journal with a write-ahead log, and in a crash log.
  await server.setFault({ kind: "down" });
  await startProgram("program.ts", ["kill-later", server.url, directory, "40", "strict"]).ended;
  await server.setFault(undefined);
  const { code, result, stderr } = await cliJson<Drained>(["drain", "--directory", directory, "--timeout", "25"], env);
  expect([code, stderr]).toEqual([0, ""]);
  expect(result).toMatchObject({ left: 0, deadLettered: 0, inUse: [], otherProjects: [] });
  expect(server.account().spans).toBe(1_080);
  expect(result.acknowledged).toBe(1_082);
  expect(server.account().twice).toBe(0);
  expect(server.scores().map(({ id, arrivals }) => [id, arrivals])).toEqual([
    ["s1", 1],
    ["s2", 1],
  ]);
  const again = await cli(["drain", "--directory", directory], env);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing to deliver") });
});

test("delivers what a sidecar held for an old SDK", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  const held = openHeldEvents({
    directory: join(directory, "held"),
    owner: ownerAt(server.url),
    limits: { patience: { observation: [0, 0, 0], trace: [0, 0, 0] }, keepTraceMs: 60_000, maxBytes: 1_000_000 },
    describe: storedEvent,
    onNotice: () => undefined,
  });
  const timestamp = "2026-11-26T10:00:00.000Z";
  const body = { id: hex(7, 16), traceId: hex(7, 32), name: "old", startTime: timestamp, endTime: timestamp };
  const event = heldEvent({ id: "event-1", type: "span-create", timestamp, body });
  held.events.add([event], Date.now() - 1_000);
  held.close();
  const env = { ...keysEnv, LANGFUSE_BASE_URL: server.url };
  const { code, result } = await cliJson<Drained>(["drain", "--directory", directory, "--timeout", "60"], env);
  expect([code, result.left]).toEqual([0, 0]);
  expect(server.spans()).toMatchObject([{ id: hex(7, 16), name: "old" }]);
});

test("a living process keeps its journal, another project's is named; neither is touched", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  await server.setFault({ kind: "error", status: 503, body: "not yet" });
  const living = bufferFor(server.url, { directory });
  endSpans(living, 7);
  await until(() => living.stats().journalSpans === 7);
  leaveJournal(directory, ownerAt(server.url, "pk-lf-other"), spans(5, 3));
  leaveJournal(directory, ownerAt(server.url), spans(6, 4));
  const drained = cliJson<Drained>(["drain", "--directory", directory, "--timeout", "25"], {
    ...keysEnv,
    LANGFUSE_BASE_URL: server.url,
  });
  await until(() => server.account().requests > 3);
  await server.setFault(undefined);
  const { code, result, stderr } = await drained;
  expect(code).toBe(0);
  expect(result).toMatchObject({ acknowledged: 4, left: 0, inUse: [{ journal: "1" }] });
  expect(result.otherProjects).toMatchObject([{ journal: "2", waiting: 3, owner: { publicKey: "pk-lf-other" } }]);
  expect(stderr).toMatch(/in use by a living process/);
  expect(stderr).toMatch(/3 records for pk-lf-other at .*run drain with the keys of that project/);
  expect(await living.flush({ timeoutMs: 10_000 })).toMatchObject({ acknowledged: 7, pending: 0 });
  expect(server.account()).toMatchObject({ spans: 11, twice: 0 });
});

test("what cannot be delivered in time stays, and the exit code says so", async () => {
  const server = await standIn();
  await server.setFault({ kind: "error", status: 503, body: "not today" });
  const directory = temporaryDirectory();
  leaveJournal(directory, ownerAt(server.url), spans(1, 5));
  const env = { ...keysEnv, LANGFUSE_BASE_URL: server.url };
  const { code, result } = await cliJson<Drained>(["drain", "--directory", directory, "--timeout", "1.5"], env);
  expect(code).toBe(4);
  expect(result).toMatchObject({ acknowledged: 0, left: 5 });
  await server.setFault(undefined);
  expect((await cliJson<Drained>(["drain", "--directory", directory], env)).result).toMatchObject({
    acknowledged: 5,
    left: 0,
  });
});

test("without keys, or with wrong ones, nothing is tried and the cause is said", async () => {
  const server = await standIn();
  const directory = temporaryDirectory();
  leaveJournal(directory, ownerAt(server.url, "pk-lf-unknown"), spans(1, 5));
  const without = await cli(["drain", "--directory", directory], { LANGFUSE_BASE_URL: server.url });
  expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining("LANGFUSE_PUBLIC_KEY") });
  const wrong = await cli(["drain", "--directory", directory], {
    LANGFUSE_BASE_URL: server.url,
    LANGFUSE_PUBLIC_KEY: "pk-lf-unknown",
    LANGFUSE_SECRET_KEY: "sk-lf-unknown",
  });
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing can be delivered") });
  expect(wrong.stderr).not.toContain("sk-lf-unknown");
  expect(server.account().spans).toBe(0);
  expect(readdirSync(directory).filter((name) => name.endsWith(".sqlite"))).toEqual(["journal-1.sqlite"]);
});
