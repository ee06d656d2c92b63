/** CPU by kind of thread, from Linux's own accounts; elsewhere nothing is known. */
import { readdirSync, readFileSync } from "node:fs";

/** Name of a thread, as the kernel cuts it to fifteen characters → the figure it counts for. */
const figures: Readonly<Record<string, string>> = {
  "span-buffer-pum": "pumpCpuMicros",
  WorkerThread: "exportCpuMicros",
  V8Worker: "helpersCpuMicros",
};

const tasks = "/proc/self/task";

/** Microseconds so far, by figure. Threads that have ended are not in it. */
export function cpuMicrosByThread(): Record<string, number> {
  const micros: Record<string, number> = {};
  try {
    for (const thread of readdirSync(tasks)) {
      const figure = figures[readFileSync(`${tasks}/${thread}/comm`, "utf8").trim()];
      if (figure === undefined) continue;
      const [nanos] = readFileSync(`${tasks}/${thread}/schedstat`, "utf8").split(" ");
      micros[figure] = (micros[figure] ?? 0) + Number(nanos) / 1000;
    }
  } catch {
    return {};
  }
  return micros;
}
