/**
 * Are the explicit fields what a server takes? Of a value that lies in the bytes, as the scanners know it: its kind and
 * its place.
 */
import { observationLevels, observationTypes } from "../buffer/span-payload.ts";
import { isDigits, partKind } from "./json-scanner.ts";
import { KeyTable } from "./key-table.ts";
import type { LangfuseField } from "./langfuse-fields.ts";

const environmentPattern = /^(?!langfuse)[a-z0-9_-]{1,40}$/;
const types = new KeyTable(observationTypes.map((type) => [type, true]));
const levels = new KeyTable(observationLevels.map((level) => [level, true]));

/** Token counts with at most nine digits: surely below 2^31. */
const soundUsage = /^\{(?:"[^"\\]*":\d{1,9}(?:,(?!\})|(?=\})))+\}$/;
const soundCosts = /^\{(?:"[^"\\]*":\d[\d.eE+-]*(?:,(?!\})|(?=\})))+\}$/;

/** `false` also for what only the longer way can tell. */
export function isFieldSound(
  { field, encoding }: LangfuseField,
  bytes: Buffer,
  kind: number,
  start: number,
  end: number,
): boolean {
  switch (encoding) {
    case "text":
      if (field === "type" || field === "level" || field === "environment")
        return isKnownText(field, bytes, kind, start, end);
      return kind === partKind.text || kind === partKind.escapedText;
    case "json":
      return true;
    case "record":
      return kind === partKind.object && areCountsSound(field, bytes, start, end);
    case "boolean":
      return kind === partKind.true || kind === partKind.false;
    case "texts":
      return kind === partKind.array;
    case "integer":
      return kind === partKind.number && isDigits(bytes, start, end, 9);
    default:
      return false;
  }
}

/** Is it a text that Langfuse knows, or accepts, for that field? */
export function isKnownText(
  field: "type" | "level" | "environment",
  bytes: Buffer,
  kind: number,
  start: number,
  end: number,
): boolean {
  if (kind !== partKind.text) return false;
  if (field === "type") return types.find(bytes, start, end) === true;
  if (field === "level") return levels.find(bytes, start, end) === true;
  return environmentPattern.test(bytes.toString("latin1", start, end));
}

function areCountsSound(field: LangfuseField["field"], bytes: Buffer, start: number, end: number): boolean {
  if (field !== "usageDetails" && field !== "costDetails") return true;
  const pattern = field === "usageDetails" ? soundUsage : soundCosts;
  return pattern.test(bytes.toString("latin1", start, end));
}
