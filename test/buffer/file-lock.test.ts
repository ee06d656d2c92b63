import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { type FileLock, tryLock } from "../../src/buffer/file-lock.ts";
import { takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** What every lock is answered with; undefined: locks work. */
const refusal = vi.hoisted(() => ({ code: undefined as string | undefined }));

vi.mock("../../src/buffer/sqlite.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/buffer/sqlite.ts")>();
  const openDatabase: typeof original.openDatabase = (file, options) => {
    const database = original.openDatabase(file, options);
    const exec = database.exec.bind(database);
    database.exec = (sql) => {
      if (sql !== "BEGIN EXCLUSIVE" || refusal.code === undefined) return exec(sql);
      throw Object.assign(new Error("locking protocol"), { code: refusal.code });
    };
    return database;
  };
  return { ...original, openDatabase };
});

function hold(file: string): FileLock {
  const lock = tryLock(file) as FileLock;
  onTestFinished(() => lock.release());
  return lock;
}

test("one holder at a time; the next when it lets go", () => {
  const file = join(temporaryDirectory(), "a.lock");
  const lock = tryLock(file) as FileLock;
  expect(tryLock(file)).toBeUndefined();
  lock.release();
  hold(file);
  expect(tryLock(file)).toBeUndefined();
});

test("a lock file that was overwritten is emptied in place: replaced, two could hold what both take for it", () => {
  const file = join(temporaryDirectory(), "a.lock");
  writeFileSync(file, "this is no database, and longer than its header is ".repeat(10));
  const { ino } = statSync(file);
  hold(file);
  expect(statSync(file)).toMatchObject({ ino, size: 0 });
  expect(tryLock(file)).toBeUndefined();
});

test.each([
  ["SQLITE_IOERR_LOCK", "without a lock service"],
  ["SQLITE_PROTOCOL", "without a lock service"],
  ["SQLITE_BUSY", "where every lock seems to be held"],
])("a file system that answers %s to every lock (%s) is named, and not filled with lock files", (code) => {
  refusal.code = code;
  onTestFinished(() => {
    refusal.code = undefined;
  });
  const directory = temporaryDirectory();
  const owner = { baseUrl: "http://127.0.0.1:1", publicKey: "pk" };
  expect(() => takeJournalSlot(directory, owner, "ring")).toThrow(
    `the file system of ${directory} has no working locks`,
  );
  expect(readdirSync(directory)).toEqual(["journal-1.lock"]);
});
