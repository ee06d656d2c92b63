import type { Context } from "hono";
import type { SpanPayload, TraceFields } from "../../buffer/span-payload.ts";
import type { TraceDefaults } from "../options.ts";

/** Langfuse's own limit for these values. */
const longestValue = 200;
const mostTags = 50;

const headers = {
  sessionId: "x-span-buffer-session-id",
  userId: "x-span-buffer-user-id",
  traceName: "x-span-buffer-trace-name",
} as const;
const tagsHeader = "x-span-buffer-tags";

const idFields = Object.keys(headers) as (keyof typeof headers)[];

/** Attributes by which a span says a field itself. */
const saidBy = {
  sessionId: ["langfuse.session.id", "session.id"],
  userId: ["langfuse.user.id", "user.id"],
  traceName: ["langfuse.trace.name"],
  tags: ["langfuse.trace.tags"],
} as const satisfies Record<keyof TraceDefaults, readonly string[]>;

/** The sidecar's, but for what the request's headers say. Tags are separated by commas. */
export function traceDefaultsOf(context: Context, defaults: TraceDefaults): TraceDefaults {
  let ofRequest: TraceDefaults | undefined;
  for (const field of idFields) {
    const value = context.req.header(headers[field])?.trim();
    if (value !== undefined && value !== "") (ofRequest ??= { ...defaults })[field] = value.slice(0, longestValue);
  }
  const list = context.req.header(tagsHeader);
  if (list !== undefined) {
    const tags = list.split(",").map((tag) => tag.trim().slice(0, longestValue));
    const distinct = [...new Set(tags)].filter((tag) => tag !== "").slice(0, mostTags);
    if (distinct.length > 0) (ofRequest ??= { ...defaults }).tags = distinct;
  }
  return ofRequest ?? defaults;
}

/** Adds the defaults, and nothing else, to a span that does not say those fields itself: without the enricher. */
export function addTraceDefaults(span: SpanPayload, defaults: TraceDefaults): void {
  let trace: TraceFields | undefined;
  for (const field of idFields) {
    const value = defaults[field];
    if (value !== undefined && !says(span, field)) (trace ??= {})[field] = value;
  }
  const { tags } = defaults;
  if (tags !== undefined && tags.length > 0 && !says(span, "tags")) (trace ??= {}).tags = tags;
  if (trace !== undefined) span.trace = trace;
}

function says({ attributes }: SpanPayload, field: keyof typeof saidBy): boolean {
  const keys: readonly string[] = saidBy[field];
  return Array.isArray(attributes) && (attributes as { key: string }[]).some(({ key }) => keys.includes(key));
}
