/**
 * What each answer means, as a table (the one of the design document, with what each transport adds). The rule behind
 * the rows: a span is given up only on the word of Langfuse itself; whatever else answers in its place, from a captive
 * portal to an ingress without its backend, is an outage.
 */
import type { Destination, ExportVerdict, Transport } from "../workers/messages.ts";
import type { Answer, Failure, Outcome } from "./answer.ts";
import { causeWords } from "./network-cause.ts";
import { hostOf, redact } from "./redact.ts";
import { retryAfterMs } from "./retry-after.ts";

interface AnswerRow {
  transport: Transport | "any";
  /** A failure's kind, `redirect`, or a range of statuses. */
  answer: Failure["failure"] | "redirect" | readonly [from: number, to: number];
  /** What the body must be: JSON in type and fact; anything but that; a page for people; or whatever it is. */
  content: "json" | "not-json" | "html" | "any";
  /** `per-event`: see classify-events.ts. */
  verdict: Exclude<ExportVerdict, "per-span"> | "per-event";
  because: string;
  /** The reason, with {host}, {status}, {type} (of the content), {words} (of the server), {cause}, {limit}, {location}. */
  reason?: string;
  /** With `wait`, when the answer does not say. */
  defaultWaitMs?: number;
}

const notLangfuse = "not Langfuse at {host}";

/** The first row that fits decides. The last fits everything. */
// biome-ignore format: a table
const answerTable: readonly AnswerRow[] = [
  { transport: "any", answer: "timeout", content: "any", verdict: "retry",
    because: "an outage; the server may have stored the request, and a resend is byte for byte the same",
    reason: "{host} did not answer in full within {limit}" },
  { transport: "any", answer: "network", content: "any", verdict: "retry",
    because: "an outage",
    reason: "cannot reach {host}: {cause}" },
  { transport: "any", answer: "cut-off", content: "any", verdict: "retry",
    because: "without its whole answer the server has not said that it stored anything",
    reason: "the answer of {host} broke off or could not be read: {cause}" },
  { transport: "any", answer: "redirect", content: "any", verdict: "retry",
    because: "a redirect turns POST into GET or drops the keys, so whatever answers at its end has not stored the spans",
    reason: `${notLangfuse}: it redirects to {location}; set LANGFUSE_BASE_URL to where Langfuse is` },
  { transport: "otlp", answer: [200, 299], content: "json", verdict: "acknowledged",
    because: "OTLP acknowledges whole requests, and Langfuse's body means nothing more" },
  { transport: "ingestion", answer: [200, 299], content: "json", verdict: "per-event",
    because: "ingestion answers for each event" },
  { transport: "any", answer: [200, 299], content: "not-json", verdict: "retry",
    because: "a captive portal, a wrong host or an empty stub: Langfuse answers in JSON",
    reason: `${notLangfuse}: a {status} with {type} instead of JSON; check LANGFUSE_BASE_URL` },
  { transport: "any", answer: [401, 401], content: "any", verdict: "hold",
    because: "no span is at fault; they can go when the keys are right",
    reason: "keys refused (401): {cause}" },
  { transport: "any", answer: [403, 403], content: "any", verdict: "hold",
    because: "no permission, or ingestion suspended: passes when someone acts",
    reason: "no permission (403): {cause}" },
  { transport: "otlp", answer: [404, 404], content: "any", verdict: "change-transport",
    because: "a server older than 3.22 has only ingestion; Langfuse 2 says so in HTML",
    reason: "no OTLP route at {host} (404): an older Langfuse, changing to ingestion" },
  { transport: "ingestion", answer: [404, 404], content: "any", verdict: "retry",
    because: "every Langfuse has this route: an ingress without its backend, or a wrong path, must not cost a span",
    reason: "no Langfuse at {host} (404); check LANGFUSE_BASE_URL" },
  { transport: "any", answer: [408, 408], content: "any", verdict: "wait", defaultWaitMs: 1_000,
    because: "the server asks to come again",
    reason: "{host} asks for a pause (408)" },
  { transport: "any", answer: [413, 413], content: "any", verdict: "too-large",
    because: "smaller requests pass; proxies say this too, in any content type",
    reason: "too large for {host} (413) {words}" },
  { transport: "any", answer: [429, 429], content: "any", verdict: "wait", defaultWaitMs: 5_000,
    because: "rate limit",
    reason: "{host} limits the rate (429) {words}" },
  { transport: "any", answer: [400, 499], content: "html", verdict: "retry",
    because: "Langfuse refuses requests in JSON; a page for people comes from a proxy or a web server in its place",
    reason: `${notLangfuse}: a {status} in HTML; check LANGFUSE_BASE_URL and proxies` },
  { transport: "any", answer: [400, 499], content: "any", verdict: "rejected",
    because: "the request is at fault, and will be at the next attempt",
    reason: "refused by {host} ({status}): {words}" },
  { transport: "any", answer: [500, 599], content: "any", verdict: "retry",
    because: "its storage or queue fails, or a gateway has no backend",
    reason: "{host} has trouble ({status}): {words}" },
  { transport: "any", answer: [0, 999], content: "any", verdict: "retry",
    because: "no status that Langfuse sends",
    reason: `${notLangfuse}: status {status}` },
];

interface CauseRow {
  words: RegExp;
  cause: string;
}

/** What a refusal of the keys says, in the server's words → what to do about it. */
const refusalTable: readonly CauseRow[] = [
  {
    words: /confirm that you've configured the correct host|invalid (public key|credentials|authorization)/i,
    cause:
      "the key is unknown on this host ({host}); check LANGFUSE_BASE_URL (region, own server) and LANGFUSE_PUBLIC_KEY / LANGFUSE_SECRET_KEY",
  },
  { words: /bearer|basic auth/i, cause: "the server wants Basic authentication with both keys, not Bearer" },
  {
    words: /suspend|usage threshold|blocked/i,
    cause: "ingestion is suspended for this project on {host}; see its settings",
  },
];

export interface Classification {
  verdict: AnswerRow["verdict"];
  status?: number;
  reason?: string;
  retryAfterMs?: number;
  transport?: Transport;
}

export interface Request {
  transport: Transport;
  destination: Destination;
  timeoutMs: number;
}

/** Judges one outcome. The reason is fit to be shown: one line, no secret. */
export function classify(outcome: Outcome, request: Request): Classification {
  const row = answerTable.find((candidate) => fits(candidate, outcome, request.transport)) as AnswerRow;
  const classification: Classification = { verdict: row.verdict };
  if (outcome.kind === "answer") {
    classification.status = outcome.status;
    if (row.defaultWaitMs !== undefined) classification.retryAfterMs = retryAfterMs(outcome, row.defaultWaitMs);
  }
  if (row.verdict === "change-transport") classification.transport = other(request.transport);
  if (row.reason !== undefined) classification.reason = fill(row.reason, outcome, request);
  return classification;
}

function other(transport: Transport): Transport {
  return transport === "otlp" ? "ingestion" : "otlp";
}

function fits(row: AnswerRow, outcome: Outcome, transport: Transport): boolean {
  if (row.transport !== "any" && row.transport !== transport) return false;
  if (outcome.kind === "failure") return row.answer === outcome.failure;
  if (row.answer === "redirect") return outcome.redirectedTo !== undefined;
  if (typeof row.answer === "string") return false;
  const [from, to] = row.answer;
  return outcome.status >= from && outcome.status <= to && contentFits(row.content, outcome);
}

function contentFits(content: AnswerRow["content"], answer: Answer): boolean {
  const isJson = answer.json !== undefined && /[/+]json$/.test(answer.contentType);
  if (content === "json") return isJson;
  if (content === "not-json") return !isJson;
  return content === "any" || answer.contentType === "text/html";
}

/** Fills a reason's placeholders in. */
function fill(template: string, outcome: Outcome, { destination, timeoutMs }: Request): string {
  const host = hostOf(destination.baseUrl);
  const isAnswer = outcome.kind === "answer";
  const words = isAnswer ? serverWords(outcome) : outcome.message;
  const parts: Record<string, string> = {
    host,
    words,
    limit: `${timeoutMs / 1_000} s`,
    status: isAnswer ? String(outcome.status) : "",
    type: isAnswer ? outcome.contentType || "no content type" : "",
    location: isAnswer ? pathOnly(outcome.redirectedTo ?? "") || "nowhere" : "",
    cause: isAnswer ? refusalCause(words, host) : causeWords(outcome.code, outcome.message),
  };
  return redact(
    template.replaceAll(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? ""),
    destination,
  );
}

function refusalCause(words: string, host: string): string {
  const row = refusalTable.find((candidate) => candidate.words.test(words));
  if (row !== undefined) return `${row.cause.replace("{host}", host)} (${words})`;
  return words === "" ? `check the keys and LANGFUSE_BASE_URL (${host})` : `${words} (${host})`;
}

/** Where a redirect goes without what it carries: queries and user names hold tokens. */
function pathOnly(url: string): string {
  if (!URL.canParse(url)) return url.split("?", 1)[0] ?? "";
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** The message in an error's body: Langfuse says `message` or `error`, or both. */
export function serverWords(answer: Answer): string {
  if (answer.json === undefined) return answer.contentType === "text/html" ? "" : answer.text;
  const { error, message } = (answer.json ?? {}) as { error?: unknown; message?: unknown };
  const words = [error, message].filter((word) => word !== undefined && word !== null).map(wordsOf);
  return words.length > 0 ? [...new Set(words)].join(": ") : JSON.stringify(answer.json);
}

function wordsOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
