// The pump's thread, but for what PUMP_CRASH says: <way>:<before which commit>:<how often in all>:<file that counts>.
import { appendFileSync, openSync, readFileSync, statSync, truncateSync, writeSync } from "node:fs";
import process from "node:process";
import { workerData } from "node:worker_threads";
import { Journal } from "../../src/buffer/journal.ts";

const [way = "", commit = "0", times = "0", file = ""] = (process.env["PUMP_CRASH"] ?? "").split(":");
type Together = (this: Journal, action: () => void) => void;
const together = Object.getOwnPropertyDescriptor(Journal.prototype, "together")?.value as Together;
let commits = 0;

function crash(): void {
  appendFileSync(file, "x");
  if (way.startsWith("exit-damage")) damageJournal();
  if (way.startsWith("exit")) process.exit(7);
  if (way.startsWith("hang")) for (;;);
  // A disk that takes its time.
  if (way === "slow") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  // A call that blocks in the system, and that nothing can break, until somebody opens the pipe's other end.
  if (way === "stuck") openSync(`${file}.pipe`, "r");
  // Outside of everything that catches.
  if (way === "throw") setImmediate(() => fail("crashed on purpose"));
  if (way === "throw-nothing") setImmediate(() => fail(undefined));
}

/** Most of it cannot be read any more. */
function damageJournal(): void {
  const journal = `${(workerData as { directory: string }).directory}/journal-1.sqlite`;
  writeSync(openSync(journal, "r+"), Buffer.alloc(100, "x"), 0, 100, 0);
  truncateSync(`${journal}-wal`, Math.floor(statSync(`${journal}-wal`).size / 2));
}

function fail(message: string | undefined): void {
  throw message === undefined ? undefined : new Error(message);
}

/** Is it this commit's turn? */
function isDue(): boolean {
  return ++commits === Number(commit) && readFileSync(file).length < Number(times);
}

if (way === "start" && readFileSync(file).length < Number(times)) {
  appendFileSync(file, "x");
  throw new Error("did not start, on purpose");
}

if (way === "exit-buried") {
  // After a commit that has recorded dead letters: those alone are counted.
  let hasBuried = false;
  const bury = Object.getOwnPropertyDescriptor(Journal.prototype, "bury")?.value as Journal["bury"];
  Journal.prototype.bury = function (this: Journal, ...args: Parameters<Journal["bury"]>): number {
    hasBuried = true;
    return bury.apply(this, args);
  };
  Journal.prototype.together = function (this: Journal, action: () => void): void {
    hasBuried = false;
    together.call(this, action);
    if (hasBuried && isDue()) crash();
  };
} else if (way !== "" && way !== "start") {
  Journal.prototype.together = function (this: Journal, action: () => void): void {
    const isNow = isDue();
    if (isNow && !way.endsWith("-after")) crash();
    together.call(this, action);
    if (isNow && way.endsWith("-after")) crash();
  };
}

await import("../../src/workers/pump-thread.ts");
