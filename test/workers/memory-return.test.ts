import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Burst } from "./memory-burst.ts";

const program = fileURLToPath(new URL("./memory-burst.ts", import.meta.url));

async function bursts(argument: string): Promise<Burst[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, argument]);
  return JSON.parse(stdout) as Burst[];
}

test("each thread gives back what a burst took, once, when it is idle, not while it is busy", async () => {
  for (const { grownMb, afterBusyMb, idleMb, collections } of await bursts("return")) {
    expect(afterBusyMb).toBeGreaterThan(grownMb * 0.8);
    expect(idleMb).toBeLessThan(grownMb / 2);
    // One time is several collections, until the last frees nothing more; at every look there would be ten.
    expect(collections).toBeLessThanOrEqual(5);
  }
}, 30_000);

test("in a process that did not ask for it nothing is collected for it", async () => {
  for (const { grownMb, idleMb } of await bursts("keep")) expect(idleMb).toBeGreaterThan(grownMb * 0.8);
}, 30_000);
