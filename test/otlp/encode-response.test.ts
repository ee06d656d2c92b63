import { PbfReader } from "pbf";
import { expect, test } from "vitest";
import { encodePartialSuccess, encodeStatus, encodeSuccess } from "../../src/otlp/encode-response.ts";

/** Field number → what is there, of a message of texts and numbers. */
function fieldsOf(message: Uint8Array): Record<number, string | number> {
  return new PbfReader(message).readFields<Record<number, string | number>>((tag, fields, pbf) => {
    fields[tag] = pbf.type === 0 ? pbf.readVarint() : Buffer.from(pbf.readBytes()).toString();
  }, {});
}

const message = "span 1: none of it. 😀𠀀";

test("success", () => {
  expect(encodeSuccess("protobuf")).toHaveLength(0);
  expect(encodeSuccess("json")).toBe("{}");
});

test("partial success", () => {
  const [tag, length, ...inside] = encodePartialSuccess("protobuf", 300, message) as Uint8Array;
  // Field 1, a message.
  expect(tag).toBe(10);
  expect(length).toBe(inside.length);
  expect(fieldsOf(Uint8Array.from(inside))).toEqual({ 1: 300, 2: message });
  expect(JSON.parse(encodePartialSuccess("json", 300, message) as string)).toEqual({
    partialSuccess: { rejectedSpans: "300", errorMessage: message },
  });
});

test("status", () => {
  expect(fieldsOf(encodeStatus("protobuf", message) as Uint8Array)).toEqual({ 2: message });
  expect(JSON.parse(encodeStatus("json", message) as string)).toEqual({ message });
});
