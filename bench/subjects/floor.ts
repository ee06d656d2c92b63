/** The least that any way off the thread costs: the snapshot as JSON, and its bytes where another thread sees them. */
import type { SpanRecord } from "../../src/index.ts";
import { mostSpanBytes } from "../content.ts";
import { recordOf } from "../span.ts";
import type { PrepareSubject } from "../subject.ts";

/** As large as the ring of the package, so that both write to memory that is as cold. */
const memoryBytes = 16 * 1024 * 1024;

export const prepare: PrepareSubject<SpanRecord> = () => {
  const memory = Buffer.from(new SharedArrayBuffer(memoryBytes) as unknown as ArrayBuffer);
  let position = 0;
  return {
    inputOf: recordOf,
    call(record) {
      if (position + mostSpanBytes > memoryBytes) position = 0;
      position += memory.write(JSON.stringify(record), position, memoryBytes - position, "utf8");
    },
    async settle() {},
    async close() {},
  };
};
