/** CPU and memory of another process, from Linux's own accounts; elsewhere nothing is known. */
import { readFileSync } from "node:fs";

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
