/**
 * One batch of valid payloads to one server by one transport: build the request, send it through hiccups, judge the
 * answer. Says of the batch what the server said.
 */
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
import { sendOtlp } from "./otlp-sender.ts";
import { StoredBatch } from "./stored-batch.ts";
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

/** At least one span of the batch must be valid; the verdicts are of those alone. */
export async function deliver(
  batch: StoredBatch,
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const result = await deliverAsIs(batch, delivery, counter);
  if (result.verdict !== "too-large" || batch.validCount > 1) return result;
  return deliverSmaller(batch, result, delivery, counter);
}

async function deliverAsIs(batch: StoredBatch, delivery: Delivery, counter: RequestCounter): Promise<DeliveryResult> {
  return delivery.transport === "otlp"
    ? deliverOtlp(batch, delivery, counter)
    : deliverIngestion(batch, delivery, counter);
}

async function deliverOtlp(batch: StoredBatch, delivery: Delivery, counter: RequestCounter): Promise<DeliveryResult> {
  const outcome = await throughHiccups(await otlpSend(batch, delivery), delivery.timeoutMs, counter);
  const classification = classify(outcome, delivery);
  return { transport: "otlp", truncated: 0, ...classification, verdict: classification.verdict as ExportVerdict };
}

/** What makes one OTLP request, every time the same. */
async function otlpSend(
  batch: StoredBatch,
  { destination, sender, compression }: Delivery,
): Promise<(limitMs: number) => Promise<Outcome>> {
  if (sender === "direct") {
    const body: DirectBody = { bytes: batch.protobufRequest(), contentType: "application/x-protobuf" };
    return (limitMs) => sendDirect(destination, body, compression, limitMs);
  }
  const request = batch.otlpRequest();
  const client = await otlpClient(destination);
  return (limitMs) => sendOtlp(client, destination.baseUrl, request, limitMs);
}

async function deliverIngestion(
  batch: StoredBatch,
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const { destination, timeoutMs, serverMajor } = delivery;
  const payloads = batch.payloads();
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
  batch: StoredBatch,
  tooLarge: DeliveryResult,
  delivery: Delivery,
  counter: RequestCounter,
): Promise<DeliveryResult> {
  const [payload] = batch.payloads();
  for (const smaller of payload === undefined ? [] : smallerVersions(payload)) {
    const result = await deliverAsIs(StoredBatch.of(smaller), delivery, counter);
    if (result.verdict !== "too-large") return { ...result, truncated: result.verdict === "acknowledged" ? 1 : 0 };
  }
  return { ...tooLarge, verdict: "rejected", reason: `${tooLarge.reason}, even truncated` };
}
