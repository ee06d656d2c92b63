/**
 * A task's payloads with references to the media that stood in them, once Langfuse has these. Without media this is one
 * search through the bytes.
 */
import type { SpanPayload } from "../buffer/span-payload.ts";
import type { ExportReport, ExportTask, SpanVerdict } from "../workers/messages.ts";
import type { RequestCounter } from "./hiccups.ts";
import { mediaHint, mediaIn, withReferences } from "./media-references.ts";
import { type MediaOutcome, uploadMedia } from "./media-upload.ts";
import { validatePayload } from "./validate.ts";

type Outcome = Omit<ExportReport, "requests" | "durationMs" | "memoryBytes">;

/** Uploads of one task begin within so many time limits; the rest is the next attempt's. */
const patience = 2;

/**
 * Uploads what there is, and delivers by `deliver` the spans whose media Langfuse has. The others come again. What the
 * server never takes stays in its span.
 */
export async function withMedia(
  task: ExportTask,
  counter: RequestCounter,
  deliver: (task: ExportTask) => Promise<Outcome>,
): Promise<Outcome> {
  const bytes = Buffer.from(task.payloads.buffer, task.payloads.byteOffset, task.payloads.length);
  if (task.media !== true || !bytes.includes(mediaHint)) return await deliver(task);
  const uploads = new TaskUploads(task, counter);
  const parts: Buffer[] = [];
  const waiting: (string | undefined)[] = [];
  let end = 0;
  for (const length of task.lengths) {
    const part = bytes.subarray(end, (end += length));
    const { payload, trouble, reason } = part.includes(mediaHint)
      ? await uploads.replaced(part)
      : { payload: part, trouble: undefined, reason: undefined };
    if (trouble !== undefined) return troubleOutcome(trouble);
    waiting.push(reason);
    if (reason === undefined) parts.push(payload);
  }
  const notice = uploads.refusal === undefined ? {} : { notice: `media stay in their spans: ${uploads.refusal}` };
  const firstReason = waiting.find((reason) => reason !== undefined);
  if (parts.length === 0) return { verdict: "retry", reason: firstReason ?? "", truncated: 0, ...notice };
  const payloads = new Uint8Array(Buffer.concat(parts));
  const lengths = parts.map(({ length }) => length);
  // Given back at once, as in task.ts; parts without media lie in it.
  task.payloads.buffer.transfer(0);
  const outcome = await deliver({ ...task, payloads, lengths });
  return { ...(firstReason === undefined ? outcome : withWaiting(outcome, waiting)), ...notice };
}

interface Replaced {
  payload: Buffer;
  /** Langfuse cannot be asked now. */
  trouble?: Extract<MediaOutcome, { kind: "trouble" }>["trouble"];
  /** Why the span must wait. */
  reason?: string;
}

class TaskUploads {
  readonly #task: ExportTask;
  readonly #counter: RequestCounter;
  readonly #untilMs: number;
  /** Why the server does not take some of it. */
  refusal: string | undefined;

  constructor(task: ExportTask, counter: RequestCounter) {
    this.#task = task;
    this.#counter = counter;
    this.#untilMs = performance.now() + task.timeoutMs * patience;
  }

  /** One payload with references. */
  async replaced(part: Buffer): Promise<Replaced> {
    const text = part.toString();
    const { payload } = validatePayload(text);
    // What is no sound span is told apart later.
    if (payload === undefined) return { payload: part };
    const media = mediaIn(payload);
    const referenced: typeof media = [];
    for (const each of media) {
      const outcome = await this.#upload(each, payload);
      if (outcome.kind === "trouble") return { payload: part, trouble: outcome.trouble };
      if (outcome.kind === "storage") return { payload: part, reason: outcome.reason };
      if (outcome.kind === "refused") this.refusal = outcome.reason;
      else referenced.push(each);
    }
    return { payload: Buffer.from(withReferences(text, referenced)) };
  }

  async #upload(media: ReturnType<typeof mediaIn>[number], { traceId, spanId }: SpanPayload): Promise<MediaOutcome> {
    const { destination, timeoutMs } = this.#task;
    if (performance.now() > this.#untilMs) return { kind: "storage", reason: "media take long to upload" };
    const owner = { destination, traceId, observationId: spanId };
    return await uploadMedia(media, owner, timeoutMs, this.#counter);
  }
}

function troubleOutcome(trouble: NonNullable<Replaced["trouble"]>): Outcome {
  const { verdict, status, reason, retryAfterMs } = trouble;
  return {
    verdict: verdict === "wait" || verdict === "hold" ? verdict : "retry",
    ...(status === undefined ? {} : { status }),
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    truncated: 0,
  };
}

/** The verdict for the whole task, where some of its spans wait for their media. */
function withWaiting(outcome: Outcome, waiting: readonly (string | undefined)[]): Outcome {
  const { verdict, spans } = outcome;
  // Anything else is the whole batch's, and it comes again, without a second upload.
  if (verdict !== "acknowledged" && verdict !== "per-span") return outcome;
  let delivered = 0;
  const verdicts = waiting.map((reason): SpanVerdict => {
    if (reason !== undefined) return { outcome: "retry", reason };
    return spans?.[delivered++] ?? { outcome: "acknowledged" };
  });
  return { ...outcome, verdict: "per-span", spans: verdicts };
}
