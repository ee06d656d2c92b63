/** This package, a finished span. */
import { SpanBuffer, type SpanRecord } from "../../src/index.ts";
import { recordOf } from "../span.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<SpanRecord> = ({ baseUrl, directory, options }) => {
  const durability = options["durability"] as "journal" | "overflow";
  const buffer = new SpanBuffer({ ...benchKeys, baseUrl, directory, durability });
  return {
    inputOf: recordOf,
    call(record) {
      buffer.enqueue(record);
    },
    async settle() {
      await buffer.flush();
    },
    async close() {
      await buffer.shutdown();
    },
  };
};
