// The pump's thread, but for what PUMP_CRASH says: <way>:<before which commit>:<how often in all>:<file that counts>.
import { appendFileSync, readFileSync } from "node:fs";
import process from "node:process";
import { Journal } from "../../src/buffer/journal.ts";

const [way = "", commit = "0", times = "0", file = ""] = (process.env["PUMP_CRASH"] ?? "").split(":");
type Together = (this: Journal, action: () => void) => void;
const together = Object.getOwnPropertyDescriptor(Journal.prototype, "together")?.value as Together;
let commits = 0;

function crash(): void {
  appendFileSync(file, "x");
  if (way.startsWith("exit")) process.exit(7);
  if (way === "hang") for (;;);
  // Outside of everything that catches.
  setImmediate(() => {
    throw new Error("crashed on purpose");
  });
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
    if (isNow && way !== "exit-after") crash();
    together.call(this, action);
    if (isNow && way === "exit-after") crash();
  };
}

await import("../../src/workers/pump-thread.ts");
