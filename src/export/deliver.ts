/**
 * One batch of valid payloads to one server by one transport: build the request, send it through hiccups, judge the
 * answer. Says of the batch what the server said.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import type {
  Compression,
  Destination,
  ExportVerdict,
  SenderName,
  SpanVerdict,
  Transport,
} from "../workers/messages.ts";
import type { Outcome } from "./answer.ts";
import { classify } from "./classify.ts";
import { classifyEvents } from "./classify-events.ts";
import { ingestionClient, otlpClient } from "./clients.ts";
import { type DirectBody, sendDirect } from "./direct-sender.ts";
import { type RequestCounter, throughHiccups } from "./hiccups.ts";
import { ingestionPlan } from "./ingestion.ts";
import { sendIngestion } from "./ingestion-sender.ts";
import { otlpRequest } from "./otlp.ts";
import { sendOtlp } from "./otlp-sender.ts";
import { smallerVersions } from "./truncate.ts";

export interface Delivery {
  destination: Destination;
  transport: Transport;
  sender: SenderName;
  compression: Compression;
  /** Of Langfuse's version, where it is known; only ingestion asks. */
  serverMajor: number | undefined;
  timeoutMs: number;
}

export interface DeliveryResult {
  verdict: ExportVerdict;
  status?: number;
  reason?: string;
  retryAfterMs?: number;
  transport: Transport;
  spans?: SpanVerdict[];
  truncated: number;
}

/** At least one payload. */
export async function deliver(
  payloads: readonly SpanPayload[],
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const result = await deliverAsIs(payloads, delivery, counter);
  const [payload] = payloads;
  if (result.verdict !== "too-large" || payloads.length > 1 || payload === undefined) return result;
  return deliverSmaller(payload, result, delivery, counter);
}

async function deliverAsIs(
  payloads: readonly SpanPayload[],
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  return delivery.transport === "otlp"
    ? deliverOtlp(payloads, delivery, counter)
    : deliverIngestion(payloads, delivery, counter);
}

async function deliverOtlp(
  payloads: readonly SpanPayload[],
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const outcome = await throughHiccups(await otlpSend(payloads, delivery), delivery.timeoutMs, counter);
  const classification = classify(outcome, delivery);
  return { transport: "otlp", truncated: 0, ...classification, verdict: classification.verdict as ExportVerdict };
}

/** What makes one OTLP request, every time the same. */
async function otlpSend(
  payloads: readonly SpanPayload[],
  { destination, sender, compression }: Delivery,
): Promise<(limitMs: number) => Promise<Outcome>> {
  const request = otlpRequest(payloads);
  if (sender === "direct") {
    const body: DirectBody = { bytes: Buffer.from(JSON.stringify(request)), contentType: "application/json" };
    return (limitMs) => sendDirect(destination, body, compression, limitMs);
  }
  const client = await otlpClient(destination);
  return (limitMs) => sendOtlp(client, destination.baseUrl, request, limitMs);
}

async function deliverIngestion(
  payloads: readonly SpanPayload[],
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const { destination, timeoutMs, serverMajor } = delivery;
  const plan = ingestionPlan(payloads, serverMajor);
  const client = await ingestionClient(destination);
  const outcome = await throughHiccups((limitMs) => sendIngestion(client, plan.request, limitMs), timeoutMs, counter);
  const classification = classify(outcome, delivery);
  if (classification.verdict === "per-event" && outcome.kind === "answer") {
    const perEvent = classifyEvents(outcome.json, plan, payloads.length, destination);
    return { transport: "ingestion", truncated: 0, ...perEvent };
  }
  return { transport: "ingestion", truncated: 0, ...classification, verdict: classification.verdict as ExportVerdict };
}

/** The server would not take the span whole; a part of it is worth more than nothing. */
async function deliverSmaller(
  payload: SpanPayload,
  tooLarge: DeliveryResult,
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  for (const smaller of smallerVersions(payload)) {
    const result = await deliverAsIs([smaller], delivery, counter);
    if (result.verdict !== "too-large") return { ...result, truncated: result.verdict === "acknowledged" ? 1 : 0 };
  }
  return { ...tooLarge, verdict: "rejected", reason: `${tooLarge.reason}, even truncated` };
}
