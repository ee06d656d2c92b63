import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const block = Buffer.alloc(256 * 1024);

/** A small file system in memory, which can be filled. */
export class SmallDisk {
  readonly directory: string;
  readonly #filler: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.#filler = join(directory, "somebody-elses");
  }

  /** Undefined where this user may not mount one. */
  static mount(directory: string, mebibytes: number): SmallDisk | undefined {
    mkdirSync(directory);
    const mount = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", directory]);
    return mount.status === 0 ? new SmallDisk(directory) : undefined;
  }

  /** Leaves room for `leftBytes`, or for less when others write as well. */
  fill(leftBytes = 0): void {
    const file = openSync(this.#filler, "w");
    try {
      for (;;) {
        const { bavail, bsize } = statfsSync(this.directory);
        const room = bavail * bsize - leftBytes;
        if (room <= 0) return;
        writeSync(file, block, 0, Math.min(room, block.length));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    spawnSync("umount", ["-l", this.directory]);
  }
}
