import type { StandInProcess } from "../../src/cli/demo/stand-in-process.ts";
import { pause } from "./scenario.ts";

const lookEveryMs = 25;

/** What kills had under way: stored by the server, but its answer was not recorded, so that it was sent again. */
export interface SentAgain {
  /** Of each kill: spans of which the process that it ended was the first sender. */
  byKill: readonly number[];
  most: number;
  /** How often any span came that had come before; a third time, where the process that sent it again was killed too. */
  repeated: number;
}

/** Tells which kill each span that came twice was under way at. Nobody sends between a kill and `killed()`. */
export class UnderWay {
  readonly #server: StandInProcess;
  /** How many different spans the server had after each kill. */
  readonly #stored: number[] = [];

  constructor(server: StandInProcess) {
    this.#server = server;
  }

  /** To be called when the process is gone, before the next is started. */
  async killed(): Promise<void> {
    let count = await this.#server.storedCount();
    // What the process had sent whole is stored all the same.
    for (let before = -1; before !== count; ) {
      await pause(lookEveryMs);
      before = count;
      count = await this.#server.storedCount();
    }
    this.#stored.push(count);
  }

  /** @param arrivals of each span, in the order in which they came first. */
  sentAgain(arrivals: ReadonlyMap<string, number>): SentAgain {
    const counts = [...arrivals.values()];
    const byKill = this.#stored.map((end, kill) => {
      return counts.slice(this.#stored[kill - 1] ?? 0, end).filter((count) => count > 1).length;
    });
    const repeated = counts.reduce((sum, count) => sum + count - 1, 0);
    return { byKill, most: Math.max(0, ...byKill), repeated };
  }
}
