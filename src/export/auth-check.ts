/**
 * Who am I for this server, and does it answer? Health says whether there is a Langfuse, the list of projects whether
 * the keys reach one. Each reason names the host and what to do next.
 */
import type { AuthCheckCause, AuthCheckResult, AuthCheckTask, Destination } from "../workers/messages.ts";
import type { Answer, Failure, Outcome } from "./answer.ts";
import { isRecord } from "./attribute-values.ts";
import { classify, serverWords } from "./classify.ts";
import { hasKeys } from "./clients.ts";
import { type Server, serverFrom } from "./discover.ts";
import { httpGet } from "./http-get.ts";
import { causeWords } from "./network-cause.ts";
import { hostOf, redact } from "./redact.ts";

const checkUrl = "check LANGFUSE_BASE_URL";

/** Two requests, each within `timeoutMs`. */
export async function authCheck({ destination, timeoutMs }: AuthCheckTask): Promise<AuthCheckResult> {
  const host = hostOf(destination.baseUrl);
  const wrong = (cause: AuthCheckCause, words: string, server?: Server): AuthCheckResult => ({
    ok: false,
    cause,
    reason: redact(words, destination),
    ...serverFields(server),
  });
  if (!hasKeys(destination)) {
    const missing = destination.publicKey === "" ? "LANGFUSE_PUBLIC_KEY" : "LANGFUSE_SECRET_KEY";
    return wrong("keys-missing", `no keys for ${host}: set ${missing} (project settings, API keys)`);
  }
  const [health, projects] = await Promise.all([
    httpGet(destination, "/api/public/health", timeoutMs, { withKeys: false }),
    httpGet(destination, "/api/public/projects", timeoutMs, { withKeys: true }),
  ]);
  const server = serverFrom(health);
  if (projects.kind === "failure") return wrong("unreachable", unreachable(projects, host, timeoutMs), server);
  const trouble = projectsTrouble(projects, destination, timeoutMs, health);
  if (trouble !== undefined) return wrong(trouble.cause, trouble.words, server);
  const [project] = projectsOf(projects) ?? [];
  if (project === undefined) {
    return wrong("no-permission", `the key reaches no project on ${host}; make a project key in its settings`, server);
  }
  return { ok: true, project, ...serverFields(server) };
}

function serverFields(server: Server | undefined): Pick<AuthCheckResult, "serverVersion" | "transport"> {
  if (server === undefined) return {};
  const { version, transport } = server;
  return { transport, ...(version === undefined ? {} : { serverVersion: version }) };
}

function unreachable({ failure, code, message }: Failure, host: string, timeoutMs: number): string {
  if (failure === "timeout") {
    return `${host} does not answer within ${timeoutMs / 1_000} s (timeout); check the network and LANGFUSE_BASE_URL`;
  }
  return `cannot reach ${host}: ${causeWords(code, message)}; ${checkUrl}`;
}

/** What is wrong with an answer of the projects route; undefined when it is a list of projects. */
function projectsTrouble(
  answer: Answer,
  destination: Destination,
  timeoutMs: number,
  health: Outcome,
): { cause: AuthCheckCause; words: string } | undefined {
  const host = hostOf(destination.baseUrl);
  const { status } = answer;
  const isJson = answer.json !== undefined;
  const judged = classify(answer, { transport: "ingestion", destination, timeoutMs }).reason ?? "";
  if (status >= 500) {
    return { cause: "server-error", words: `${host} has trouble (${status}): ${serverWords(answer)}; try again later` };
  }
  if (status === 401 && isJson) return { cause: "unknown-key", words: judged };
  if (status === 403 && isJson) return { cause: "no-permission", words: `${judged}; ask for a key of this project` };
  if (status === 429 || status === 408) return { cause: "server-error", words: `${judged}; try again later` };
  if (status === 200 && projectsOf(answer) !== undefined) return undefined;
  if (answer.redirectedTo !== undefined) return { cause: "not-langfuse", words: judged };
  const healthWords = serverFrom(health) === undefined ? "" : ", though its health route looks like one";
  const type = answer.contentType === "" ? "no content type" : answer.contentType;
  return {
    cause: "not-langfuse",
    words: `not Langfuse at ${host}: it answers ${status} with ${type}${healthWords}; ${checkUrl}`,
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function projectsOf({ json }: Answer): { id: string; name: string }[] | undefined {
  const data = isRecord(json) ? json["data"] : undefined;
  if (!Array.isArray(data)) return undefined;
  return data.filter(isRecord).map(({ id, name }) => ({ id: text(id), name: text(name) }));
}
