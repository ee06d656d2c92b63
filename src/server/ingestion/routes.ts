/**
 * The ingestion route of Langfuse's old SDKs, and scores. Nothing is answered before it is committed: scores to the
 * journal for events, traces and observations to the file of held events (legacy-events.ts).
 */
import type { Context, Hono } from "hono";
import type { IngestionEvent } from "../../export/ingestion.ts";
import type { Project, RecordKind, ServerContext } from "../context.ts";
import { readBody } from "../http/request-body.ts";
import { isCommitted, type Offering } from "../offering.ts";
import { type Judgement, judge, scoreEvent } from "./judge.ts";
import { RecentScores } from "./recent-scores.ts";

/** What Langfuse takes; its SDKs send less. A larger body would hold the server for too long while it is judged. */
const longestBodyBytes = 4_718_592;

/** For clients that heed it; Langfuse's SDKs come again after some seconds of their own. */
const retryAfterSeconds = "5";

export function addIngestionRoutes(app: Hono, context: ServerContext): void {
  const route = new IngestionRoutes(context);
  app.post("/api/public/ingestion", (request) => route.takeBatch(request));
  app.post("/api/public/scores", (request) => route.takeScores(request));
}

interface Received {
  project: Project;
  json: unknown;
}

class IngestionRoutes {
  readonly #context: ServerContext;
  readonly #recent = new RecentScores();

  constructor(context: ServerContext) {
    this.#context = context;
  }

  async takeBatch(request: Context): Promise<Response> {
    const received = await this.#receive(request);
    if (received instanceof Response) return received;
    const { project, json } = received;
    const batch = (json as { batch?: unknown } | null)?.batch;
    if (!Array.isArray(batch)) {
      return request.json({ message: "Invalid request data", errors: ["batch: expected a list of events"] }, 400);
    }
    const judgements = batch.map(judge);
    const trouble =
      this.#hold(project, eventsOf(judgements, "legacy")) ??
      (await this.#commitScores(project, eventsOf(judgements, "score")));
    if (trouble !== undefined) return this.#unavailable(request, project, trouble);
    const refused = judgements.filter((judgement) => judgement.fate === "refused");
    if (refused.length > 0) this.#context.metrics.rejected(project.name, "event", "invalid", refused.length);
    return request.json(multiStatus(judgements), 207);
  }

  /** One score, or a list of them, as Langfuse's Python SDK sends them from version 5 on. */
  async takeScores(request: Context): Promise<Response> {
    const received = await this.#receive(request);
    if (received instanceof Response) return received;
    const { project, json } = received;
    const judged = (Array.isArray(json) ? (json as unknown[]) : [json]).map(scoreEvent);
    const events = judged.flatMap((score) => ("event" in score ? [score.event] : []));
    const errors = judged.flatMap((score) => ("error" in score ? [score.error] : []));
    const trouble = await this.#commitScores(project, events);
    if (trouble !== undefined) return this.#unavailable(request, project, trouble);
    if (errors.length > 0) this.#context.metrics.rejected(project.name, "score", "invalid", errors.length);
    return Array.isArray(json)
      ? answerScoreList(request, events.length, errors)
      : answerScore(request, events[0], errors[0]);
  }

  async #receive(request: Context): Promise<Received | Response> {
    const { projects, options } = this.#context;
    const project = projects.authenticate(request.req.header("authorization"));
    if ("status" in project) {
      const error = project.status === 401 ? "UnauthorizedError" : "ForbiddenError";
      return request.json({ error, message: project.message }, project.status);
    }
    const read = await readBody(request, { maxBytes: Math.min(options.maxRequestBytes, longestBodyBytes) });
    if ("status" in read) {
      const { status, message } = read;
      return request.json({ message }, status, status === 503 ? { "retry-after": retryAfterSeconds } : {});
    }
    try {
      return { project, json: JSON.parse(read.body.toString()) as unknown };
    } catch {
      return request.json({ message: "Invalid request data", errors: ["the body is not JSON"] }, 400);
    }
  }

  /** Returns why they cannot be committed. */
  #hold(project: Project, events: readonly IngestionEvent[]): string | undefined {
    if (events.length === 0) return undefined;
    try {
      const repeated = project.legacy.hold(events);
      this.#count(project, "event", events.length, repeated);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async #commitScores(project: Project, events: readonly IngestionEvent[]): Promise<string | undefined> {
    if (events.length === 0) return undefined;
    const { events: sink } = project;
    if (sink.trouble !== undefined) return sink.trouble;
    const offering: Offering = { sequence: 0, isLost: false };
    let latest = 0;
    let repeated = 0;
    for (const event of events) {
      const offered = this.#recent.offer(sink, event, offering);
      if (offered === undefined) return sink.trouble ?? "the buffer takes nothing more";
      latest = Math.max(latest, offered.sequence);
      if (offered.isRepeated) repeated++;
    }
    const { commitTimeoutMs } = this.#context.options;
    if (!(await isCommitted(sink, latest, offering, commitTimeoutMs))) {
      return sink.trouble ?? `not committed within ${commitTimeoutMs} ms`;
    }
    this.#count(project, "score", events.length, repeated);
    return undefined;
  }

  #count({ name }: Project, kind: RecordKind, count: number, repeated: number): void {
    const { metrics } = this.#context;
    if (count > repeated) metrics.accepted(name, kind, count - repeated);
    if (repeated > 0) metrics.repeated(name, kind, repeated);
  }

  #unavailable(request: Context, project: Project, trouble: string): Response {
    this.#context.metrics.unavailable(project.name);
    this.#context.log.debug({ project: project.name }, `answered 503: ${trouble}`);
    const headers = { "retry-after": retryAfterSeconds };
    return request.json({ message: `nothing can be persisted now, try again: ${trouble}` }, 503, headers);
  }
}

function eventsOf(judgements: readonly Judgement[], fate: "score" | "legacy"): IngestionEvent[] {
  return judgements.flatMap((judgement) => (judgement.fate === fate ? [judgement.event] : []));
}

function answerScore(request: Context, event: IngestionEvent | undefined, error: string | undefined): Response {
  if (event === undefined) return request.json({ message: "Invalid request data", error }, 400);
  return request.json({ id: event.body["id"] });
}

/** Langfuse's answers, of the generated API of its Python SDK 5.0.4: 202, or 207 with what was refused. */
function answerScoreList(request: Context, accepted: number, errors: readonly string[]): Response {
  if (errors.length === 0) return request.json({ message: "Accepted" }, 202);
  const messages = errors.map((message) => ({ message }));
  return request.json({ accepted, rejected: errors.length, errors: messages }, 207);
}

/** Langfuse's answer: each event that is kept, and each that is refused. */
function multiStatus(judgements: readonly Judgement[]): unknown {
  return {
    successes: judgements.flatMap((judgement) =>
      judgement.fate === "score" || judgement.fate === "legacy" ? [{ id: judgement.event.id, status: 201 }] : [],
    ),
    errors: judgements.flatMap((judgement) =>
      judgement.fate === "refused"
        ? [{ id: judgement.id, status: 400, message: "Invalid request data", error: judgement.error }]
        : [],
    ),
  };
}
