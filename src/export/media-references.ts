/**
 * Audio, images, video and PDFs that stand as data URIs in a span, and what Langfuse wants in their place: the reference
 * `@@@langfuseMedia:type=…|id=…|source=base64_data_uri@@@`, whose id is the beginning of the content's SHA-256 in
 * base64url (`LangfuseMedia` of @langfuse/core). So the same span always gets the same references.
 */
import { hash } from "node:crypto";
import type { SpanPayload } from "../buffer/span-payload.ts";
import { isRecord } from "./attribute-values.ts";

/** Langfuse shows media beside one of these. */
export type MediaField = "input" | "output" | "metadata";

export interface Media {
  /** 22 characters. */
  id: string;
  field: MediaField;
  contentType: string;
  /** Base64. */
  sha256: string;
  dataUri: string;
  bytes: Buffer;
}

/** Without it there is no media in a payload. */
export const mediaHint: Buffer = Buffer.from(";base64,");

const dataUri =
  /data:((?:image|audio|video)\/[\w.+-]{1,80}|application\/pdf)(?:;[\w.+-]{1,40}=[\w.+-]{1,80})*;base64,([A-Za-z0-9+/]+={0,2})/g;

const searchedFields = ["input", "output", "metadata", "trace", "attributes", "events"] as const;
const idCharacters = 22;

/** All in the span, each once for each field that it stands in. */
export function mediaIn(payload: SpanPayload): Media[] {
  const found = new Map<string, Media>();
  for (const name of searchedFields) {
    forEachText(payload[name], "", (text, keys) => {
      for (const [uri, contentType = "", base64 = ""] of text.matchAll(dataUri)) {
        const field = fieldOf(name, keys);
        if (found.has(field + uri)) continue;
        const bytes = Buffer.from(base64, "base64");
        const sha256 = hash("sha256", bytes, "base64");
        const id = sha256.replaceAll("+", "-").replaceAll("/", "_").slice(0, idCharacters);
        found.set(field + uri, { id, field, contentType, sha256, dataUri: uri, bytes });
      }
    });
  }
  return [...found.values()];
}

/** The span's text with references in the place of these. They hold nothing that JSON would escape. */
export function withReferences(text: string, media: readonly Media[]): string {
  return media.reduce(
    (replaced, { dataUri: uri, contentType, id }) =>
      replaced.replaceAll(uri, `@@@langfuseMedia:type=${contentType}|id=${id}|source=base64_data_uri@@@`),
    text,
  );
}

/** @param keys those above the value, and in OTLP's lists the key that stands beside it. */
function forEachText(value: unknown, keys: string, action: (text: string, keys: string) => void): void {
  if (typeof value === "string") action(value, keys);
  else if (Array.isArray(value)) for (const part of value) forEachText(part, keys, action);
  else if (isRecord(value)) {
    const label = typeof value["key"] === "string" ? `${keys} ${value["key"]}` : keys;
    for (const [name, part] of Object.entries(value)) forEachText(part, `${label} ${name}`, action);
  }
}

function fieldOf(name: (typeof searchedFields)[number], keys: string): MediaField {
  if (name === "input" || name === "output") return name;
  if (name === "metadata" || name === "trace") return "metadata";
  if (/output|completion/.test(keys)) return "output";
  return /input|prompt/.test(keys) ? "input" : "metadata";
}
