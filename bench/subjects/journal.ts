/** The journal alone, on the caller's thread: what the pump can write to the disk at most. */
import { join } from "node:path";
import { Journal } from "../../src/buffer/journal.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { recordOf } from "../span.ts";
import type { PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<Buffer> = ({ directory, options }) => {
  const journal = new Journal(join(directory, "insert.sqlite"));
  const perTransaction = Number(options["spansPerTransaction"]);
  let waiting: Buffer[] = [];
  const commit = (): void => {
    const firstId = journal.nextIds(waiting.length);
    journal.insert([new SpanRun(firstId, 1_790_000_000_000, PackedPayloads.of(waiting), false)]);
    waiting = [];
  };
  return {
    inputOf: (content) => Buffer.from(JSON.stringify(recordOf(content))),
    call(payload) {
      waiting.push(payload);
      if (waiting.length === perTransaction) commit();
    },
    async settle() {
      if (waiting.length > 0) commit();
    },
    async close() {
      journal.close();
    },
  };
};
