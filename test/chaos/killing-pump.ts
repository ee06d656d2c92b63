// The pump's thread, but for what KILL_POINT says: <point>:<the how manyth time>. There the whole process is killed.
import process from "node:process";
import { Journal } from "../../src/buffer/journal.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";

const [point = "", nth = "1"] = (process.env["KILL_POINT"] ?? "").split(":");
let passed = 0;

function killIfDue(): void {
  if (++passed === Number(nth)) process.kill(process.pid, "SIGKILL");
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Puts a kill before or after a method. */
function wrap(prototype: object, name: string, when: "before" | "after", isMeant: Method = () => true): void {
  const original = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method;
  Object.defineProperty(prototype, name, {
    value(this: unknown, ...args: unknown[]): unknown {
      const isNow = isMeant.apply(this, args) === true;
      if (isNow && when === "before") killIfDue();
      const result = original.apply(this, args);
      if (isNow && when === "after") killIfDue();
      return result;
    },
  });
}

switch (point) {
  case "before-commit":
    wrap(Journal.prototype, "together", "before");
    break;
  case "in-commit":
    // All is written, and the transaction still open.
    wrap(Journal.prototype, "insert", "after");
    break;
  case "after-commit":
    wrap(Journal.prototype, "together", "after");
    break;
  case "before-delete":
    wrap(Journal.prototype, "remove", "before");
    break;
  case "after-delete":
    wrap(Journal.prototype, "remove", "after");
    break;
  case "recovery":
    // Of another process' journal, or of a crash log.
    wrap(Journal.prototype, "restore", "after");
    wrap(Journal.prototype, "insertPayloads", "after");
    break;
  case "migration": {
    const prototype = Object.getPrototypeOf(openDatabase(":memory:")) as object;
    wrap(prototype, "exec", "after", (sql) => String(sql).includes("CREATE TABLE"));
    break;
  }
  case "checkpoint": {
    // Nearly every commit carries the log over; when the kill comes, the harness draws.
    const limitLog = Object.getOwnPropertyDescriptor(Journal.prototype, "limitLog")?.value as Method;
    Object.defineProperty(Journal.prototype, "limitLog", {
      value(this: unknown): void {
        limitLog.call(this, 64 * 1024);
      },
    });
    break;
  }
}

await import("../../src/workers/pump-thread.ts");
