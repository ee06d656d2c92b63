/** This package, a finished span. */
import { SpanBuffer, type SpanRecord } from "../../src/index.ts";
import { recordOf } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

/** Longer than any trial waits: what is not delivered by then is seen at the sink. */
const flushTimeoutMs = 120_000;

export const prepare: PrepareSubject<SpanRecord> = ({ baseUrl, directory, options }) => {
  const buffer = new SpanBuffer({ ...benchKeys, baseUrl, directory, ...options });
  return {
    inputOf: recordOf,
    call(record) {
      buffer.enqueue(record);
    },
    async settle() {
      await buffer.flush({ timeoutMs: flushTimeoutMs });
    },
    async close() {
      await buffer.shutdown();
    },
  };
};
