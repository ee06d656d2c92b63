/** `status`: what it says is so, and looking changes nothing. */
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isLocked, tryLock } from "../../src/buffer/file-lock.ts";
import { Journal } from "../../src/buffer/journal.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { figuresOf, type StatusFigures } from "../../src/cli/status/figures.ts";
import { type Rates, ratesBetween } from "../../src/cli/status/rates.ts";
import { survey } from "../../src/cli/survey.ts";
import { bufferFor, endSpans, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { type Ended, startProgram } from "../support/programs.ts";
import { basic, sidecarFor, standInKeys } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const program = "../../src/cli/main.ts";

function figures(directory: string): StatusFigures {
  return figuresOf(survey(directory, { isChecked: false }), Date.now());
}

async function status(directory: string, ...args: string[]): Promise<Ended> {
  return await startProgram(program, ["status", "--directory", directory, ...args]).ended;
}

describe("what it says", () => {
  test("a living process's journal, and the same once it was left behind", async () => {
    const server = await standIn();
    const directory = temporaryDirectory();
    const buffer = bufferFor(server.url, { directory, batchSize: 1 });
    await server.setFault({ kind: "error", status: 400, routes: ["/v1/traces"] });
    endSpans(buffer, 3);
    await until(() => buffer.stats().deadLettered === 3);
    await server.setFault({ kind: "down" });
    endSpans(buffer, 7);
    await until(() => buffer.stats().journalSpans === 7);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [store, ...others] = figures(directory).stores;
    expect(others).toEqual([]);
    expect(store).toMatchObject({
      file: "journal-1.sqlite",
      kind: "spans",
      state: "living",
      owner: { baseUrl: server.url, publicKey: standInKeys.publicKey },
      waiting: 7,
      deadLetters: [{ status: 400, count: 3 }],
      trouble: null,
    });
    expect(store?.oldestAgeMs).toBeGreaterThanOrEqual(50);
    expect(store?.oldestAgeMs).toBeLessThan(60_000);
    expect(store?.bytes).toBeGreaterThan(0);
    await buffer.shutdown({ timeoutMs: 500 });
    expect(figures(directory)).toMatchObject({
      stores: [{ state: "orphan", waiting: 7 }],
      totals: { waiting: 7, deadLetters: 3 },
    });

    const text = await status(directory);
    expect([text.code, text.stderr]).toEqual([exitCodes.ok, ""]);
    const host = new URL(server.url).host;
    expect(text.stdout).toMatch(
      new RegExp(`^journal-1\\.sqlite +spans +nobody +pk-lf-stand-in at ${host} +7 .* 3 \\(400: 3\\)$`, "m"),
    );
    expect(text.stdout).toMatch(/^waiting 7, oldest .*, 3 dead letters$/m);
    const parsed = JSON.parse((await status(directory, "--json")).stdout) as StatusFigures & { rates: Rates | null };
    expect([parsed.totals.waiting, parsed.stores[0]?.state, parsed.rates]).toEqual([7, "orphan", null]);
  });

  test("a sidecar's scores, and events of old SDKs that it holds; folders of projects", async () => {
    const server = await standIn();
    const sidecar = await sidecarFor(server.url, { buffer: { ...standInKeys } });
    await server.setFault({ kind: "down" });
    const post = async (path: string, body: unknown): Promise<number> => {
      const headers = { authorization: basic(standInKeys), "content-type": "application/json" };
      return (await fetch(sidecar.url + path, { method: "POST", headers, body: JSON.stringify(body) })).status;
    };
    expect(await post("/api/public/scores", { id: "s", traceId: "t", name: "good", value: 1 })).toBe(200);
    const timestamp = new Date().toISOString();
    const body = { id: "o", traceId: "t", name: "span", startTime: timestamp };
    expect(await post("/api/public/ingestion", { batch: [{ id: "e", type: "span-create", timestamp, body }] })).toBe(
      207,
    );
    const { stores } = figures(sidecar.directory);
    const kinds = Object.fromEntries(stores.map(({ kind, waiting, state }) => [kind, [waiting, state]]));
    expect(kinds).toMatchObject({ events: [1, "living"], held: [1, "living"] });
    expect(stores.map(({ file }) => file)).toContain(join("events", "journal-1.sqlite"));
    // Somebody who has a folder for each project.
    const above = temporaryDirectory();
    await sidecar.close(500);
    renameSync(sidecar.directory, join(above, "acme"));
    mkdirSync(sidecar.directory);
    const below = figures(above);
    expect(below.stores.map(({ file }) => file)).toContain(join("acme", "events", "journal-1.sqlite"));
    expect(below.totals.waiting).toBe(2);
  });

  test("no directory is an error that says what to do; an empty one is well", async () => {
    const directory = temporaryDirectory();
    const empty = await status(directory);
    expect([empty.code, empty.stdout]).toEqual([exitCodes.ok, `${directory}: no journals; nothing waits\n`]);
    const missing = await status(join(directory, "nowhere"));
    expect([missing.code, missing.stdout]).toEqual([exitCodes.failed, ""]);
    expect(missing.stderr).toMatch(
      /^error: there is no directory .*nowhere: .*--directory or SPAN_BUFFER_DIRECTORY\n$/,
    );
  });

  test("a file that cannot be read is told, with the others", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "journal-1.sqlite"), "no database ".repeat(200));
    new Journal(join(directory, "journal-2.sqlite")).close();
    const { code, stdout } = await status(directory);
    expect(code).toBe(exitCodes.ok);
    expect(stdout).toMatch(/^journal-1\.sqlite +spans +nobody +– +\? /m);
    expect(stdout).toMatch(/^journal-1\.sqlite: damaged: file is not a database/m);
    expect(stdout).toMatch(/^journal-2\.sqlite +spans +nobody +– +0 /m);
  });

  test("a command line that is not understood ends with 2", async () => {
    const { code, stderr } = await status(temporaryDirectory(), "--interval", "soon");
    expect([code, stderr]).toEqual([exitCodes.usage, expect.stringContaining("0.1 … 3600 is allowed.")]);
    expect(stderr).toContain("(span-buffer status --help shows what there is)");
  });
});

/** One journal's figures at a moment. */
function at(atMs: number, waiting: number, taken: Record<string, number>): StatusFigures {
  return {
    directory: "d",
    atMs,
    stores: [
      {
        file: "journal-1.sqlite",
        kind: "spans",
        state: "living",
        owner: null,
        waiting,
        oldestAgeMs: 0,
        bytes: 0,
        deadLetters: [],
        taken,
        trouble: null,
      },
    ],
    leftovers: { crashLogs: 0, spills: 0 },
    setAside: [],
    totals: { waiting, oldestAgeMs: 0, bytes: 0, deadLetters: 0 },
  };
}

describe("rates", () => {
  test("what came by the rings' numbers, what went by what waits; numbers wrap", () => {
    expect(ratesBetween(undefined, at(0, 5, { a: 5 }))).toBeUndefined();
    expect(ratesBetween(at(0, 5, { a: 5 }), at(0, 5, { a: 5 }))).toBeUndefined();
    expect(ratesBetween(at(0, 5, { a: 5 }), at(2_000, 1, { a: 25 }))).toEqual({ inPerSecond: 10, outPerSecond: 12 });
    expect(ratesBetween(at(0, 0, {}), at(1_000, 3, { a: 3 }))).toEqual({ inPerSecond: 3, outPerSecond: 0 });
    const wrapped = ratesBetween(at(0, 0, { a: 2 ** 31 - 1 }), at(1_000, 0, { a: -(2 ** 31) + 1 }));
    expect(wrapped).toEqual({ inPerSecond: 2, outPerSecond: 2 });
    // Without a ring: a crash log that was read.
    expect(ratesBetween(at(0, 0, {}), at(1_000, 4, {}))).toEqual({ inPerSecond: 4, outPerSecond: 0 });
  });
});

describe("looking changes nothing", () => {
  test("a lock is seen while it is held, and not taken; no file is made", () => {
    const file = join(temporaryDirectory(), "journal-1.lock");
    expect([isLocked(file), existsSync(file)]).toEqual([false, false]);
    const lock = tryLock(file);
    expect(isLocked(file)).toBe(true);
    expect(tryLock(file)).toBeUndefined();
    lock?.release();
    expect(isLocked(file)).toBe(false);
    // One look does not see another: none of them takes anything that others would miss.
    const other = openDatabase(file, { readonly: true });
    other.exec("BEGIN");
    other.pragma("schema_version");
    expect(isLocked(file)).toBe(false);
    other.close();
    const again = tryLock(file);
    expect(again).toBeDefined();
    again?.release();
  });

  test("an orphan stays byte for byte as it is, with its write-ahead log, and is adopted afterwards", async () => {
    const server = await standIn();
    await server.setFault({ kind: "down" });
    const directory = temporaryDirectory();
    const { ended } = startProgram("program.ts", ["kill-later", server.url, directory, "50"]);
    expect((await ended).signal).toBe("SIGKILL");
    const bytes = (): string[] =>
      ["journal-1.sqlite", "journal-1.sqlite-wal"].map((name) => hash("sha256", readFileSync(join(directory, name))));
    const before = bytes();
    const { stores } = figures(directory);
    expect(stores).toMatchObject([{ state: "orphan" }]);
    expect(stores[0]?.waiting).toBeGreaterThanOrEqual(50);
    expect(bytes()).toEqual(before);
    await server.setFault(undefined);
    const next = bufferFor(server.url, { directory });
    await until(() => next.stats().recovered === stores[0]?.waiting);
    await next.flush();
    expect(server.account()).toMatchObject({ spans: stores[0]?.waiting, twice: 0 });
  });

  test("--watch beside a bot under load: it commits on and loses nothing, and the rates are the bot's", async () => {
    const server = await standIn();
    const directory = temporaryDirectory();
    const warnings: string[] = [];
    const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
    const { child, ended } = startProgram(program, [
      "status",
      "--watch",
      "--interval",
      "0.1",
      "--json",
      "--directory",
      directory,
    ]);
    let lines = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      lines += chunk.toString();
    });
    let ids = 0;
    const looks = (): (StatusFigures & { rates: Rates | null })[] =>
      lines
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as StatusFigures & { rates: Rates | null });
    const isSeen = (): boolean =>
      looks().filter(({ rates }) => rates !== null && rates.inPerSecond > 0 && rates.outPerSecond > 0).length >= 5;
    while (!isSeen()) {
      ids += endSpans(buffer, 100, "x".repeat(1_000)).length;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await ended;
    await buffer.flush({ timeoutMs: 20_000 });
    expect(server.account()).toMatchObject({ spans: ids, twice: 0 });
    expect([missingFromAccount(buffer.stats()), warnings]).toEqual([0, []]);
    expect(looks().every(({ stores }) => stores.every(({ trouble }) => trouble === null))).toBe(true);
  });

  test("--watch where nothing can be drawn again writes one line for each look", async () => {
    const directory = temporaryDirectory();
    new Journal(join(directory, "journal-1.sqlite")).close();
    const { child } = startProgram(program, ["status", "--watch", "--interval", "0.1", "--directory", directory]);
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await until(() => text.split("\n").length > 3);
    const [first = "", second = ""] = text.split("\n");
    expect(first).toMatch(/^\d{4}-\S+Z waiting 0, \S+ KiB, 0 dead letters$/);
    expect(second).toMatch(/^\d{4}-\S+Z waiting 0, in 0\.0\/s, out 0\.0\/s, \S+ KiB, 0 dead letters$/);
  });
});
