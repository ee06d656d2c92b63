/** CPU and memory of another process, from Linux's own accounts; elsewhere nothing is known. */
import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second for everybody outside of it. */
const microsPerTick = 10_000;
const utimeField = 14;
const stimeField = 15;

/** CPU of all threads so far, those that have ended included, in microseconds, to 10 ms. `NaN`: unknown. */
export function cpuMicrosOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in brackets, which may hold anything; the third follows it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[utimeField - 3]) + Number(fields[stimeField - 3])) * microsPerTick;
  } catch {
    return Number.NaN;
  }
}

/** Names of the sidecar's threads, as the kernel cuts them to fifteen characters → what they do. */
const threadNames: Readonly<Record<string, string>> = {
  "span-buffer-pum": "pump",
  WorkerThread: "exports",
  V8Worker: "V8 (collection, compilation)",
};
/** Node's own name for it differs by version, and its id does not. */
const firstThread = "requests";

/** CPU of the living threads so far, by what they do, in microseconds; empty: unknown. */
export function threadMicrosOf(pid: number): Record<string, number> {
  const micros: Record<string, number> = {};
  try {
    for (const id of readdirSync(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${id}`;
      const name = threadNames[readFileSync(`${folder}/comm`, "utf8").trim()] ?? "other";
      const [nanos] = readFileSync(`${folder}/schedstat`, "utf8").split(" ");
      const what = Number(id) === pid ? firstThread : name;
      micros[what] = (micros[what] ?? 0) + Number(nanos) / 1000;
    }
  } catch {
    return {};
  }
  return micros;
}

export interface Memory {
  residentMb: number;
  /** Of it pages of files: a database that is mapped into memory among them. */
  fileMb: number;
  /** The most that was ever resident. */
  peakMb: number;
}

/** Unknown figures are `NaN`. */
export function memoryOf(pid: number): Memory {
  let status = "";
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    // No such process, or no Linux.
  }
  const figure = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    return kib === undefined ? Number.NaN : (Number(kib) * 1024) / 1e6;
  };
  return { residentMb: figure("VmRSS"), fileMb: figure("RssFile"), peakMb: figure("VmHWM") };
}
