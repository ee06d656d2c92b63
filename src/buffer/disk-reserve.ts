/**
 * Room on the disk that is held for one thing: to let go of more. A journal that has filled its disk can neither delete
 * a row nor carry its write-ahead log over, because both are written before anything becomes free. So a file beside it
 * holds some room from the start, and gives it away when the disk is full.
 */
import { closeSync, constants, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { randomFillSync } from "node:crypto";

const blockBytes = 64 * 1024;

export class DiskReserve {
  readonly #file: string;
  readonly #bytes: number;

  /** @param journalFile beside which the room is held. */
  constructor(journalFile: string, bytes: number) {
    this.#file = reserveFile(journalFile);
    this.#bytes = bytes;
  }

  /** @throws what the disk throws, without room for it above all; then nothing is held. */
  hold(): void {
    if (statSync(this.#file, { throwIfNoEntry: false })?.size === this.#bytes) return;
    const unfinished = `${this.#file}-unfinished`;
    try {
      // Written, since a hole takes no room; and not zeros, which some file systems keep as a hole.
      const block = randomFillSync(Buffer.allocUnsafe(blockBytes));
      const descriptor = openSync(unfinished, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
      try {
        for (let left = this.#bytes; left > 0; ) left -= writeSync(descriptor, block, 0, Math.min(left, blockBytes));
      } finally {
        closeSync(descriptor);
      }
      renameSync(unfinished, this.#file);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
  }

  /** Never throws: what cannot be removed held nothing. */
  giveAway(): void {
    try {
      rmSync(this.#file, { force: true });
    } catch {
      // A directory that is gone, or that refuses everything.
    }
  }
}

export function reserveFile(journalFile: string): string {
  return journalFile.replace(/\.sqlite$/, ".reserve");
}
