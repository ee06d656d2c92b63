/** Is it Langfuse that answers, with which clock, does it take the keys, and by which route? */
import type { Answer, Failure } from "../../export/answer.ts";
import { authCheck } from "../../export/auth-check.ts";
import { classify, serverWords } from "../../export/classify.ts";
import { serverFrom } from "../../export/discover.ts";
import { httpGet } from "../../export/http-get.ts";
import { causeWords } from "../../export/network-cause.ts";
import { hostOf, redact } from "../../export/redact.ts";
import { duration } from "../quantities.ts";
import type { Cause } from "./causes.ts";
import { type Finding, failed, note, ok, skipped } from "./findings.ts";
import { networkCause, speaksTls, targetOf } from "./network.ts";
import type { Patient } from "./patient.ts";

const healthPath = "/api/public/health";

export async function examineHttp(patient: Patient): Promise<Finding> {
  const { destination, options } = patient;
  const startedMs = Date.now();
  const outcome = await httpGet(destination, healthPath, options.timeoutMs, { withKeys: false });
  if (outcome.kind === "failure") return await failedAnswer(outcome, patient);
  noteClocks(patient, outcome, startedMs);
  const server = serverFrom(outcome);
  if (server === undefined) return await foreignAnswer(outcome, patient);
  patient.server = server;
  return ok(`Langfuse ${server.version ?? "of an unknown version"} answers, in ${Date.now() - startedMs} ms`);
}

async function failedAnswer({ failure, code, message }: Failure, patient: Patient): Promise<Finding> {
  const host = hostOf(patient.destination.baseUrl);
  if (failure === "timeout") {
    const limit = duration(patient.options.timeoutMs);
    return failed("timeout", `${host} takes the connection, and does not answer within ${limit}`);
  }
  return (await notPlain(patient)) ?? failed(networkCause(code), `${host}: ${causeWords(code, message)}`);
}

/** A port for TLS says to plain HTTP what it likes: a reset, nonsense, a 400 with a page. */
async function notPlain(patient: Patient): Promise<Finding | undefined> {
  const { baseUrl } = patient.destination;
  if (targetOf(baseUrl).isEncrypted || !(await speaksTls(patient))) return undefined;
  return failed("not-http", `${hostOf(baseUrl)} speaks TLS, and the base URL says http`);
}

interface AnswerRow {
  fits: (answer: Answer) => boolean;
  cause: Cause;
  /** With {host}, {status}, {type} (of the content), {words} (of the server). */
  message: string;
}

const isPage = ({ contentType }: Answer): boolean => contentType === "text/html";

/** What else than Langfuse may answer on its health route; the first row that fits is said. */
const answerTable: readonly AnswerRow[] = [
  { fits: ({ redirectedTo }) => redirectedTo !== undefined, cause: "redirected", message: "" },
  { fits: ({ status }) => status >= 500, cause: "server-trouble", message: "{host} has trouble ({status}): {words}" },
  { fits: ({ status }) => status === 429, cause: "rate-limited", message: "{host} limits the rate (429)" },
  {
    fits: ({ status }) => [401, 403, 407].includes(status),
    cause: "gate-in-front",
    message: "something before Langfuse wants a sign-in of its own ({status}): its health route asks for none",
  },
  {
    fits: ({ status }) => status === 404,
    cause: "route-missing",
    message: "{host} answers 404 with {type}: Langfuse's API is not below this URL",
  },
  {
    fits: (answer) => answer.status < 300 && isPage(answer),
    cause: "not-langfuse",
    message: "{host} answers with a web page ({status}, {type}) where Langfuse answers in JSON",
  },
  { fits: () => true, cause: "not-langfuse", message: "{host} answers {status} with {type}, as Langfuse does not" },
];

async function foreignAnswer(answer: Answer, patient: Patient): Promise<Finding> {
  const { destination, options } = patient;
  const notHttp = answer.status === 400 ? await notPlain(patient) : undefined;
  if (notHttp !== undefined) return notHttp;
  const better = await withoutPath(patient);
  if (better !== undefined) return failed("base-url-path", `Langfuse is at ${better}, without the path`);
  const row = answerTable.find(({ fits }) => fits(answer)) as AnswerRow;
  const words: Readonly<Record<string, string>> = {
    host: hostOf(destination.baseUrl),
    status: String(answer.status),
    type: answer.contentType === "" ? "no content type" : answer.contentType,
    words: serverWords(answer),
  };
  const message = row.message.replaceAll(/\{(\w+)\}/g, (_, name: string) => words[name] ?? "");
  const redirection = classify(answer, { transport: "ingestion", destination, timeoutMs: options.timeoutMs }).reason;
  return failed(row.cause, redact(row.cause === "redirected" ? (redirection ?? "") : message, destination));
}

/** The base URL without its path, if Langfuse is there. */
async function withoutPath({ destination, options }: Patient): Promise<string | undefined> {
  const { origin, pathname } = new URL(destination.baseUrl);
  if (pathname === "/") return undefined;
  const outcome = await httpGet({ ...destination, baseUrl: origin }, healthPath, options.timeoutMs, {
    withKeys: false,
  });
  return serverFrom(outcome) === undefined ? undefined : origin;
}

function noteClocks(patient: Patient, { date }: Answer, startedMs: number): void {
  const serverMs = Date.parse(date ?? "");
  if (!Number.isNaN(serverMs)) patient.clocks = { serverMs, hereMs: (startedMs + Date.now()) / 2 };
}

/** A Date header has whole seconds, and may come out of a cache. */
const unremarkableMs = 30_000;
/** TLS and the order of spans of several machines suffer from more. */
const tolerableMs = 5 * 60_000;

export function examineClock({ clocks, destination }: Patient): Finding {
  if (clocks === undefined) return skipped("no answer that says the time");
  const aheadMs = clocks.hereMs - clocks.serverMs;
  const skewMs = Math.abs(aheadMs);
  if (skewMs < unremarkableMs) return ok(`agrees with ${hostOf(destination.baseUrl)}, within seconds`);
  const message = `this machine is ${duration(skewMs)} ${aheadMs > 0 ? "ahead of" : "behind"} ${hostOf(destination.baseUrl)}`;
  return skewMs > tolerableMs ? failed("clock-skewed", message) : note("clock-skewed", message);
}

const authCauses = {
  disabled: "tracing-off",
  "keys-missing": "keys-missing",
  "unknown-key": "unknown-key",
  "no-permission": "no-permission",
  unreachable: "network-trouble",
  "not-langfuse": "not-langfuse",
  "server-error": "server-trouble",
} as const;

export async function examineAccess({ destination, options }: Patient): Promise<Finding> {
  const { timeoutMs } = options;
  const { project, reason = "", cause = "server-error" } = await authCheck({ destination, timeoutMs });
  if (project !== undefined) return ok(`project "${project.name}" (${project.id})`);
  return failed(cause === "no-permission" && /suspended/.test(reason) ? "suspended" : authCauses[cause], reason);
}

/** From this version on a server refuses trace events on the ingestion route. */
const ingestionClosedMajor = 4;

export function examineTransport({ settings, server }: Patient): Finding {
  const { transport } = settings.options;
  if (server === undefined) return skipped("the server's version is not known");
  const { version = "of an unknown version", major = 0 } = server;
  if (transport === "auto") return ok(`${server.transport}, as Langfuse ${version} wants it`);
  if (transport === "ingestion" && major >= ingestionClosedMajor) {
    return failed("transport-closed", `ingestion is set, and Langfuse ${version} takes no traces there`);
  }
  if (transport === "otlp" && server.transport === "ingestion") {
    return note("transport-missing", `otlp is set, and Langfuse ${version} does not have it`);
  }
  return ok(`${transport}, as it is set`);
}
