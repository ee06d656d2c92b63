/**
 * Spans by OTLP/HTTP: OpenTelemetry's own path, and Langfuse's for its SDKs. They differ in one answer: who is refused
 * gets a `Status` in the request's encoding on the first, and Langfuse's `{ message }` in JSON, which its SDKs show, on
 * the second.
 */
import type { Context, Hono } from "hono";
import { acceptedContentTypes, type OtlpEncoding, otlpEncodingOf } from "../../otlp/encoding.ts";
import { JsonSpans } from "../../otlp/json-spans.ts";
import { ProtobufSpans } from "../../otlp/protobuf-spans.ts";
import type { SpanSource } from "../../otlp/span-source.ts";
import type { Project, ServerContext } from "../context.ts";
import { freeBody } from "../http/body-buffer.ts";
import { readBody } from "../http/request-body.ts";
import { Answers } from "./answers.ts";
import { SpanReceiver, type Tally } from "./receiver.ts";
import { RejectionLog } from "./rejection-log.ts";
import { traceDefaultsOf } from "./trace-defaults.ts";

const openTelemetryPath = "/v1/traces";
const langfusePath = "/api/public/otel/v1/traces";

/** Why there is no tally: the answer. */
interface Failure {
  status: number;
  message: string;
}

export function addTraceRoutes(app: Hono, context: ServerContext): void {
  const receiver = new SpanReceiver(context);
  const rejectionLog = new RejectionLog(context.log);
  for (const path of [openTelemetryPath, langfusePath]) {
    app.post(path, (request) => take(request, path));
  }

  async function take(request: Context, path: string): Promise<Response> {
    const as = otlpEncodingOf(request.req.header("content-type"));
    const answers = new Answers(as);
    const project = context.projects.authenticate(request.req.header("authorization"));
    if ("status" in project) {
      const { status, message } = project;
      return path === langfusePath ? Response.json({ message }, { status }) : answers.failed(status, message);
    }
    if (as === undefined) return answers.failed(415, `the content type must be ${acceptedContentTypes}`);
    const tally = await offerBody(request, as.encoding, project);
    if (!("status" in tally)) {
      const { isRefused, rejections } = tally;
      if (isRefused) return unavailable(project, answers, "the buffer has no room");
      if (!(await receiver.committed(project, tally))) {
        return unavailable(project, answers, "the spans could not be committed to the journal in time");
      }
      if (rejections.count > 0) rejectionLog.add(project.name, rejections);
      return answers.stored(rejections);
    }
    const { status, message } = tally;
    return status === 503 ? unavailable(project, answers, message) : answers.failed(status, message);
  }

  /** By itself, so that nothing keeps the body while its spans wait for their commit. */
  async function offerBody(request: Context, encoding: OtlpEncoding, project: Project): Promise<Tally | Failure> {
    const read = await readBody(request, { maxBytes: context.options.maxRequestBytes });
    if ("status" in read) return read;
    const { body } = read;
    try {
      if (project.spans.trouble !== undefined) return { status: 503, message: "the journal cannot be written" };
      const source = sourceOf(body, encoding);
      if ("status" in source) return source;
      const defaults = traceDefaultsOf(request, context.options.traceDefaults);
      return await receiver.offer(project, source, body.length, defaults);
    } finally {
      freeBody(body);
    }
  }

  function unavailable(project: Project, answers: Answers, message: string): Response {
    context.metrics.unavailable(project.name);
    return answers.unavailable(message);
  }
}

function sourceOf(body: Buffer, encoding: OtlpEncoding): SpanSource | Failure {
  try {
    return encoding === "json" ? new JsonSpans(body) : new ProtobufSpans(body);
  } catch (error) {
    return { status: 400, message: `no ExportTraceServiceRequest: ${(error as Error).message}` };
  }
}
