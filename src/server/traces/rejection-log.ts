import type { Log } from "../context.ts";
import type { Rejections } from "./rejections.ts";

/** A sender that makes spans wrongly makes all of them so. */
const quietMs = 60_000;

/** Says that spans were refused for good, at most once a minute for each project, with the number since. */
export class RejectionLog {
  readonly #log: Log;
  readonly #said = new Map<string, { atMs: number; kept: number }>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(project: string, rejections: Rejections): void {
    const nowMs = performance.now();
    const before = this.#said.get(project);
    if (before !== undefined && nowMs - before.atMs < quietMs) {
      before.kept += rejections.count;
      return;
    }
    this.#said.set(project, { atMs: nowMs, kept: 0 });
    const spans = rejections.count + (before?.kept ?? 0);
    this.#log.warn(
      { project, spans, rejected: rejections.message },
      "spans that Langfuse could never store were refused",
    );
  }
}
