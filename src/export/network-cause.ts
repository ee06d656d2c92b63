/**
 * Why a connection failed. `@langfuse/client` keeps nothing of a network error but "fetch failed"; the code
 * (`ECONNREFUSED`, `ENOTFOUND`, …) is what tells a person where to look. Node publishes it on a diagnostics channel,
 * which can be read without touching the request.
 */
import { subscribe } from "node:diagnostics_channel";
import { LRUCache } from "lru-cache";
import { codeOf } from "./answer.ts";

const lastCodes = new LRUCache<string, string>({ max: 64, ttl: 60_000 });
let isWatching = false;

/** Begins to remember failures; call it before the first request. */
export function watchNetworkCauses(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe("undici:request:error", (message) => {
    const { request, error } = message as { request?: { origin?: string | URL }; error?: unknown };
    const code = codeOf(error);
    if (code !== undefined && request?.origin !== undefined) lastCodes.set(String(request.origin), code);
  });
}

/** The code of the last failure to reach the origin of `baseUrl`. */
export function lastNetworkCause(baseUrl: string): string | undefined {
  return URL.canParse(baseUrl) ? lastCodes.get(new URL(baseUrl).origin) : undefined;
}

interface CauseRow {
  codes: RegExp;
  /** What happened, in people's words, and what to look at. */
  words: string;
}

/** The first row that matches is said; the codes are Node's, libuv's and OpenSSL's. */
const causeTable: readonly CauseRow[] = [
  { codes: /^(ENOTFOUND|EAI_)/, words: "its name is not known to DNS; check the base URL and the network" },
  {
    codes: /^CERT_HAS_EXPIRED$/,
    words: "its TLS certificate has expired; have it renewed, or set this machine's clock right",
  },
  { codes: /^CERT_NOT_YET_VALID$/, words: "its TLS certificate is not valid yet; set this machine's clock right" },
  { codes: /^ERR_TLS_CERT_ALTNAME_INVALID$/, words: "its TLS certificate is for another name; check the base URL" },
  {
    codes: /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED)$/,
    words:
      "its TLS certificate is signed by an authority that this machine does not know; if you trust it, start with NODE_EXTRA_CA_CERTS=<its certificate in a PEM file>; if not, something answers in Langfuse's place",
  },
  { codes: /^ECONNREFUSED$/, words: "the connection was refused; check that Langfuse is running on that port" },
  { codes: /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, words: "the connection was reset; a proxy or a restart, usually" },
  { codes: /^(EHOSTUNREACH|ENETUNREACH|ENETDOWN|EHOSTDOWN)$/, words: "no route to it; check the network" },
  { codes: /^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, words: "connecting timed out; check firewall and base URL" },
  {
    codes: /^(HPE_|HTTPParserError$)/,
    words: "what answers there does not speak HTTP; check the base URL, and http or https in it",
  },
  {
    codes: /CERT|SELF_SIGNED|SIGNATURE|^ERR_SSL|^ERR_TLS|^EPROTO$/,
    words: "TLS failed; check the certificate (NODE_EXTRA_CA_CERTS) and http or https in the base URL",
  },
];

/** Words for a code, the code itself with them; the message alone when there is no code or it is not in the table. */
export function causeWords(code: string | undefined, message: string): string {
  if (code === undefined) return message;
  const row = causeTable.find(({ codes }) => codes.test(code));
  return row === undefined ? `${message} (${code})` : `${row.words} (${code})`;
}
