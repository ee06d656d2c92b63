/** An observation as Langfuse's public API shows it, with the fields of its trace. */
export interface StoredSpan {
  id: string;
  traceId: string;
  parentObservationId: string | null;
  /** Upper case: SPAN, GENERATION, AGENT … */
  type: string;
  name: string | null;
  /** ISO 8601, milliseconds. */
  startTime: string | null;
  endTime: string | null;
  completionStartTime: string | null;
  input: unknown;
  output: unknown;
  model: string | null;
  modelParameters: unknown;
  usageDetails: unknown;
  costDetails: unknown;
  level: string;
  statusMessage: string | null;
  version: string | null;
  environment: string;
  metadata: Record<string, unknown>;
  promptName: string | null;
  promptVersion: number | null;
  userId: string | null;
  sessionId: string | null;
  tags: string[];
  traceName: string | null;
  public: boolean;
  release: string | null;
  traceMetadata: Record<string, unknown>;
  /** Kept by the stand-in for tests; Langfuse's API does not show them. */
  events?: unknown;
  links?: unknown;
  scope?: unknown;
  resource?: unknown;
}

/** Text that is JSON is shown as what it says, as Langfuse does for input, output and metadata. */
export function shown(value: unknown): unknown {
  if (typeof value !== "string") return value ?? null;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

export function textOrNull(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A JSON object, from itself or its text; `{}` for anything else. */
export function objectOf(value: unknown): Record<string, unknown> {
  const parsed = shown(value);
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
    ? (parsed as Record<string, unknown>)
    : {};
}

/** ISO 8601 with milliseconds, or null. */
export function isoOrNull(value: unknown): string | null {
  const time = typeof value === "string" || typeof value === "number" ? Date.parse(String(shown(value))) : Number.NaN;
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}
