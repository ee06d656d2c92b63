// The pump's thread, but for what PUMP_CRASH says: <way>:<before which commit>:<how often in all>:<file that counts>.
import { appendFileSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { Journal } from "../../src/buffer/journal.ts";

const [way = "", commit = "0", times = "0", file = ""] = (process.env["PUMP_CRASH"] ?? "").split(":");
type Together = (this: Journal, action: () => void) => void;
const together = Object.getOwnPropertyDescriptor(Journal.prototype, "together")?.value as Together;
let commits = 0;

function crash(): void {
  appendFileSync(file, "x");
  if (way.startsWith("exit")) process.exit(7);
  if (way.startsWith("hang")) for (;;);
  // A call that blocks in the system, and that nothing can break, until somebody opens the pipe's other end.
  if (way === "stuck") openSync(`${file}.pipe`, "r");
  // Outside of everything that catches.
  if (way === "throw") setImmediate(() => fail("crashed on purpose"));
  if (way === "throw-nothing") setImmediate(() => fail(undefined));
}

function fail(message: string | undefined): void {
  throw message === undefined ? undefined : new Error(message);
}

function isDue(): boolean {
  return ++commits === Number(commit) && readFileSync(file).length < Number(times);
}

if (way === "start" && readFileSync(file).length < Number(times)) {
  appendFileSync(file, "x");
  throw new Error("did not start, on purpose");
}
if (way !== "" && way !== "start") {
  Journal.prototype.together = function (this: Journal, action: () => void): void {
    const isNow = isDue();
    if (isNow && !way.endsWith("-after")) crash();
    together.call(this, action);
    if (isNow && way.endsWith("-after")) crash();
  };
}

await import("../../src/workers/pump-thread.ts");
