/** The runner's hold on the load generator's process. */
import type { ChildProcess } from "node:child_process";
import { end, startLoadProcess } from "../processes.ts";
import type { LoadJob, LoadReply, LoadResult } from "./load-job.ts";

export class LoadGenerator {
  readonly #child: ChildProcess = startLoadProcess();

  /** One at a time. @throws Error when the generator fails. */
  async run(job: LoadJob): Promise<LoadResult> {
    return await new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the load generator's process has ended"));
      this.#child.once("exit", ended);
      this.#child.once("message", (reply: LoadReply) => {
        this.#child.off("exit", ended);
        if (reply.type === "done") resolve(reply.result);
        else reject(new Error(`the load generator failed: ${reply.reason}`));
      });
      this.#child.send(job);
    });
  }

  async stop(): Promise<void> {
    await end(this.#child);
  }
}
