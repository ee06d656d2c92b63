/**
 * What a trace says of itself in the header `baggage` (https://www.w3.org/TR/baggage/), under the names of Langfuse's
 * `propagateAttributes` (`@langfuse/core` 5.11): `langfuse_user_id`, `langfuse_session_id`, `langfuse_trace_name`,
 * `langfuse_tags` (joined by commas) and `langfuse_metadata_<key>`. Values of more than 200 characters do not travel, as there.
 */
import type { TraceFields } from "../buffer/span-payload.ts";

/** Of the recommendation: what every participant must be able to pass on. */
const maxMembers = 64;
const maxBytes = 8_192;

const maxValueLength = 200;
const metadataPrefix = "langfuse_metadata_";
const tagSeparator = ",";

const textFields = [
  ["langfuse_user_id", "userId"],
  ["langfuse_session_id", "sessionId"],
  ["langfuse_trace_name", "traceName"],
] as const satisfies readonly (readonly [string, keyof TraceFields])[];
const tagsKey = "langfuse_tags";

/** RFC 7230's token, which a key must be. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * The fields as a header, behind the members that it has already, but for those of the same names. What does not fit is
 * left out.
 */
export function formatBaggage(fields: TraceFields, existing = ""): string {
  const own = membersOf(fields).filter(([key, value]) => token.test(key) && isShort(value));
  const names = new Set(own.map(([key]) => key));
  const others = split(existing).filter((member) => !names.has(keyOf(member)));
  let text = "";
  let count = 0;
  for (const member of [
    ...others,
    ...own.map(([key, value]) => `${key}=${encodeURIComponent(value.toWellFormed())}`),
  ]) {
    const longer = text === "" ? member : `${text},${member}`;
    if (count === maxMembers || longer.length > maxBytes) continue;
    text = longer;
    count++;
  }
  return text;
}

function membersOf(fields: TraceFields): [string, string][] {
  const { tags, traceMetadata } = fields;
  const members: [string, unknown][] = textFields.map(([key, field]) => [key, fields[field]]);
  if (Array.isArray(tags) && tags.length > 0) {
    members.push([tagsKey, tags.filter((tag) => isShort(tag)).join(tagSeparator)]);
  }
  if (typeof traceMetadata === "object" && traceMetadata !== null) {
    for (const [key, value] of Object.entries(traceMetadata)) members.push([metadataPrefix + key, value]);
  }
  return members.filter((member): member is [string, string] => typeof member[1] === "string" && member[1] !== "");
}

export function fieldsFromBaggage(header: string): TraceFields {
  const fields: TraceFields = {};
  const metadata: Record<string, string> = {};
  if (header.length > maxBytes) return fields;
  for (const member of split(header).slice(0, maxMembers)) {
    const key = keyOf(member);
    const value = valueOf(member);
    if (value === undefined || value === "") continue;
    const field = textFields.find(([name]) => name === key)?.[1];
    if (field !== undefined && isShort(value)) fields[field] = value;
    else if (key === tagsKey) fields.tags = value.split(tagSeparator).filter(isShort);
    else if (key.startsWith(metadataPrefix) && isShort(value)) metadata[key.slice(metadataPrefix.length)] = value;
  }
  return Object.keys(metadata).length === 0 ? fields : { ...fields, traceMetadata: metadata };
}

function split(header: string): string[] {
  return header
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
}

function keyOf(member: string): string {
  return member.slice(0, Math.max(0, member.indexOf("="))).trim();
}

/** Without the properties that may follow; undefined: not percent-encoded UTF-8. */
function valueOf(member: string): string | undefined {
  const [raw = ""] = member.slice(member.indexOf("=") + 1).split(";");
  try {
    return decodeURIComponent(raw.trim());
  } catch {
    return undefined;
  }
}

function isShort(value: string): boolean {
  return typeof value === "string" && value.length <= maxValueLength;
}
