/**
 * What an ingestion answer (207 `{successes, errors}`) means for each span: the second table. An event stands for the
 * span it was made from; a `trace-create` for the trace's root, or its first span in the batch.
 */
import type { Destination, ExportVerdict, SpanVerdict, Transport } from "../workers/messages.ts";
import { isRecord } from "./attribute-values.ts";
import type { IngestionPlan } from "./ingestion.ts";
import { hostOf, redact } from "./redact.ts";

interface EventRow {
  status: readonly [from: number, to: number];
  /** Only with these words of the server. */
  words?: RegExp;
  outcome: Exclude<SpanVerdict["outcome"], "acknowledged"> | "change-transport";
  because: string;
}

/** The first row that fits decides. */
// biome-ignore format: a table
const eventTable: readonly EventRow[] = [
  { status: [400, 499], words: /event type not accepted/i, outcome: "change-transport",
    because: "Langfuse 4 takes spans by OTLP alone" },
  { status: [401, 401], outcome: "hold", because: "the keys are at fault, not the span" },
  { status: [403, 403], outcome: "hold", because: "no permission, or suspended" },
  { status: [408, 408], outcome: "retry", because: "passes by itself" },
  { status: [429, 429], outcome: "retry", because: "passes by itself" },
  { status: [400, 499], outcome: "rejected", because: "this event will be refused every time" },
  { status: [0, 999], outcome: "retry", because: "its storage or queue fails" },
];

export interface EventsClassification {
  verdict: ExportVerdict;
  status?: number;
  reason?: string;
  transport?: Transport;
  spans?: SpanVerdict[];
}

interface EventError {
  status: number;
  words: string;
}

/** When several events stand for one span, the outcome further down wins. */
const severity: readonly SpanVerdict["outcome"][] = ["acknowledged", "retry", "hold", "rejected"];

/**
 * @param json the body of the answer.
 * @param spanCount payloads that the plan was made from.
 */
export function classifyEvents(
  json: unknown,
  plan: IngestionPlan,
  spanCount: number,
  destination: Destination,
): EventsClassification {
  const host = hostOf(destination.baseUrl);
  if (!isRecord(json) || !Array.isArray(json["successes"]) || !Array.isArray(json["errors"])) {
    return { verdict: "retry", reason: `not Langfuse at ${host}: JSON without successes and errors` };
  }
  const stored = new Set(json["successes"].map((success) => (isRecord(success) ? success["id"] : undefined)));
  const errors = new Map<unknown, EventError>(json["errors"].map((error) => [idOf(error), eventError(error)]));

  const spans: SpanVerdict[] = Array.from({ length: spanCount }, () => ({ outcome: "acknowledged" }));
  let unanswered: string | undefined;
  for (const [position, event] of plan.request.batch.entries()) {
    // An event that the server could not even read is listed as "unknown"; alone in its batch, it is that one.
    const error =
      errors.get(event.id) ?? (spanCount === 1 && !stored.has(event.id) ? errors.get("unknown") : undefined);
    if (error === undefined) {
      if (!stored.has(event.id)) unanswered = event.type;
      continue;
    }
    const { outcome } = eventTable.find((row) => rowFits(row, error)) as EventRow;
    const reason = redact(`${event.type} refused by ${host} (${error.status}): ${error.words}`, destination);
    if (outcome === "change-transport") return { verdict: outcome, transport: "otlp", status: error.status, reason };
    const index = plan.spanIndexes[position] as number;
    const before = spans[index] as SpanVerdict;
    if (severity.indexOf(outcome) > severity.indexOf(before.outcome)) {
      spans[index] = { outcome, status: error.status, reason };
    }
  }
  if (unanswered !== undefined) {
    const reason = redact(`${host} answered, but not for every event (${unanswered})`, destination);
    // Halving finds the span that the server passes over in silence; alone, it may be the server's trouble.
    return { verdict: spanCount === 1 ? "retry" : "rejected", reason };
  }
  return summary(spans);
}

function rowFits({ status: [from, to], words }: EventRow, error: EventError): boolean {
  return error.status >= from && error.status <= to && (words === undefined || words.test(error.words));
}

function idOf(error: unknown): unknown {
  return isRecord(error) ? error["id"] : undefined;
}

function eventError(error: unknown): EventError {
  const { status, message, error: detail } = isRecord(error) ? error : ({} as Record<string, unknown>);
  const words = [message, detail].filter((word) => word !== undefined && word !== null);
  return {
    status: typeof status === "number" ? status : 0,
    words: words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(": "),
  };
}

/** One verdict for the batch where one says it all, so that the pump can act on the batch as a whole. */
function summary(spans: SpanVerdict[]): EventsClassification {
  const first = spans[0];
  const isUniform = first !== undefined && spans.every(({ outcome }) => outcome === first.outcome);
  // Several rejected spans were each judged by themselves: halving them would only ask again.
  if (isUniform && (first.outcome !== "rejected" || spans.length === 1)) {
    const { outcome, ...why } = first;
    return { verdict: outcome, ...why };
  }
  return { verdict: "per-span", spans };
}
