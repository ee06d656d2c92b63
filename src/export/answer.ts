/**
 * What came back from one HTTP request, in one shape whatever sent it. The senders make it, the tables in classify.ts
 * and classify-events.ts judge it.
 */

/** An HTTP answer whose body was read to its end. */
export interface Answer {
  kind: "answer";
  /** The ingestion SDK keeps the status of a success to itself: then 200, for any 2xx. */
  status: number;
  /** Lower case, without parameters; empty when the server sent none. */
  contentType: string;
  /** The parsed body; absent when the body is empty or not JSON. */
  json?: unknown;
  /** The body as it came, for people; empty when `json` is there. */
  text: string;
  /** The `Retry-After` and `Date` headers as they came. */
  retryAfter?: string;
  date?: string;
  /** Where a redirect points to, or where following it ended. */
  redirectedTo?: string;
}

/**
 * No whole answer.
 *
 * - `timeout`: the time limit passed, somewhere between connecting and the last byte of the body.
 * - `network`: nothing came back at all: DNS, refused, TLS, reset.
 * - `cut-off`: an answer began and did not end, or could not be read. The server may have stored the request.
 */
export interface Failure {
  kind: "failure";
  failure: "timeout" | "network" | "cut-off";
  /** The system's code (`ECONNREFUSED`, `ENOTFOUND`, …), where known. */
  code?: string;
  message: string;
}

export type Outcome = Answer | Failure;

/** `text/html; charset=utf-8` → `text/html`. */
export function mediaType(header: string | null | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** The parsed body, or undefined when it is empty or not JSON. */
export function parseJson(text: string): unknown {
  try {
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

/** What is asked of the platform's `Response`, and of whatever else an answer is made from. */
interface ResponseHead {
  status: number;
  headers: Pick<Headers, "get">;
  redirected?: boolean;
  url?: string;
}

/** Makes an answer of a response and its body, which was already read. */
export function answerFrom(response: ResponseHead, text: string): Answer {
  return { ...answerHead(response), ...bodyFields(parseJson(text), text) };
}

/** Everything but the body. */
export function answerHead(response: ResponseHead): Omit<Answer, "json" | "text"> {
  const { status, headers } = response;
  const retryAfter = headers.get("retry-after");
  const date = headers.get("date");
  const isRedirect = status >= 300 && status < 400;
  const redirectedTo = response.redirected === true ? response.url : isRedirect ? headers.get("location") : undefined;
  return {
    kind: "answer",
    status,
    contentType: mediaType(headers.get("content-type")),
    ...(retryAfter === null ? {} : { retryAfter }),
    ...(date === null ? {} : { date }),
    ...(response.redirected === true || isRedirect ? { redirectedTo: redirectedTo ?? "" } : {}),
  };
}

/** The body's two fields: either parsed or as text. */
export function bodyFields(json: unknown, text: string): Pick<Answer, "json" | "text"> {
  return json === undefined ? { text } : { json, text: "" };
}

/** The error of a `fetch` that got no answer. */
export function failureFrom(error: unknown): Failure {
  const { message, cause } = (error ?? {}) as { message?: unknown; cause?: unknown };
  // undici's words: "terminated" is a body that broke off, everything before the headers is "fetch failed".
  if (message === "fetch failed") return connectionFailure(cause ?? error);
  return { ...connectionFailure(cause ?? error), failure: "cut-off" };
}

/** The error of a connection on which no answer's headers came. */
export function connectionFailure(error: unknown): Failure {
  const { message } = (error ?? {}) as { message?: unknown };
  const code = codeOf(error);
  // Several addresses that were all refused make an error without words.
  const words = typeof message === "string" && message !== "" ? message : "no reason given";
  return { kind: "failure", failure: failureOf(code), message: words, ...(code === undefined ? {} : { code }) };
}

/** The system's code of an error, or the name that undici has instead. */
export function codeOf(error: unknown): string | undefined {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === "string") return code;
  return name === "HTTPParserError" ? name : undefined;
}

/** What came but is no HTTP, or too much of it, was an answer: the server has had the request. */
export function failureOf(code: string | undefined): "network" | "cut-off" {
  return code !== undefined && /^(HPE_|HTTPParserError$|UND_ERR_HEADERS_OVERFLOW$)/.test(code) ? "cut-off" : "network";
}

export const timedOut: Failure = { kind: "failure", failure: "timeout", message: "time limit passed" };
