/** From the host's name to an encrypted connection, one step after the other. */
import dns from "node:dns";
import { isIP, connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { codeOf } from "../../export/answer.ts";
import { httpGet } from "../../export/http-get.ts";
import { causeWords } from "../../export/network-cause.ts";
import { withinTimeLimit } from "../../export/time-limit.ts";
import type { Cause } from "./causes.ts";
import { type Finding, failed, note, ok } from "./findings.ts";
import type { Patient } from "./patient.ts";
import { proxyFor } from "./proxy.ts";

export interface Target {
  hostname: string;
  port: number;
  isEncrypted: boolean;
}

/** A certificate with less time than this is worth a note. */
const soonMs = 14 * 86_400_000;

/** The codes are Node's, libuv's and OpenSSL's; the first row that matches counts. */
const causeTable: readonly [codes: RegExp, cause: Cause][] = [
  [/^ENOTFOUND$/, "name-unknown"],
  [/^EAI_/, "name-service-trouble"],
  [/^ECONNREFUSED$/, "connection-refused"],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, "connection-reset"],
  [/^(EHOSTUNREACH|ENETUNREACH|ENETDOWN|EHOSTDOWN)$/, "no-route"],
  [/^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, "timeout"],
  [/^CERT_HAS_EXPIRED$/, "certificate-expired"],
  [/^CERT_NOT_YET_VALID$/, "certificate-not-yet-valid"],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "certificate-of-another-name"],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED)$/,
    "certificate-of-unknown-authority",
  ],
  [/^(HPE_|HTTPParserError$)/, "not-http"],
  [/CERT|SIGNATURE|^ERR_SSL|^ERR_TLS|^EPROTO$/, "tls-trouble"],
];

/** For a code of a failed connection. */
export function networkCause(code: string | undefined): Cause {
  return causeTable.find(([codes]) => codes.test(code ?? ""))?.[1] ?? "network-trouble";
}

export function targetOf(baseUrl: string): Target {
  const { hostname, port, protocol } = new URL(baseUrl);
  const isEncrypted = protocol === "https:";
  return {
    hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (isEncrypted ? 443 : 80) : Number(port),
    isEncrypted,
  };
}

type Attempt<Result> = { result: Result; error?: never } | { result?: never; error: unknown };

const tooLate = { error: Object.assign(new Error("time limit passed"), { code: "ETIMEDOUT" }) };

/** Never rejects. */
function attempt<Result>(limitMs: number, action: (signal: AbortSignal) => Promise<Result>): Promise<Attempt<Result>> {
  return withinTimeLimit<Attempt<Result>, Attempt<Result>>(limitMs, tooLate, async (signal) => {
    try {
      return { result: await action(signal) };
    } catch (error) {
      return { error };
    }
  });
}

function failedBy(error: unknown, subject: string, { options, destination }: Patient): Finding {
  const code = codeOf(error);
  const words = `${subject}: ${causeWords(code, (error as Error).message)}`;
  const proxy = proxyFor(destination.baseUrl, options.env);
  if (proxy === undefined || proxy.isHeeded) return failed(networkCause(code), words);
  return failed("proxy-not-heeded", `${words}; ${proxy.variable} names a proxy that Node does not use`);
}

function throughProxy({ options, destination }: Patient): Finding | undefined {
  const proxy = proxyFor(destination.baseUrl, options.env);
  return proxy?.isHeeded === true ? note("through-proxy", `left to the proxy ${proxy.host}`) : undefined;
}

export async function examineName(patient: Patient): Promise<Finding> {
  const { hostname } = targetOf(patient.destination.baseUrl);
  if (isIP(hostname) !== 0) return ok(`${hostname} is an address`);
  const proxied = throughProxy(patient);
  if (proxied !== undefined) return proxied;
  const { result, error } = await attempt(patient.options.timeoutMs, () => lookUp(hostname));
  if (result === undefined) return failedBy(error, hostname, patient);
  return ok(`${hostname} is ${result.join(", ")}`);
}

/** As `fetch` looks names up. */
function lookUp(hostname: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(hostname, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses.map(({ address }) => address));
      else reject(error);
    });
  });
}

export async function examineConnection(patient: Patient): Promise<Finding> {
  const proxied = throughProxy(patient);
  if (proxied !== undefined) return proxied;
  const { hostname, port } = targetOf(patient.destination.baseUrl);
  const place = `${hostname}, port ${port}`;
  const started = performance.now();
  const { result, error } = await attempt(patient.options.timeoutMs, async (signal) => {
    const socket = connectTcp({ host: hostname, port, lookup: dns.lookup });
    return await opened(socket, "connect", signal, () => socket.remoteAddress ?? hostname);
  });
  if (result === undefined) return failedBy(error, place, patient);
  return ok(`${result}, port ${port}, in ${Math.round(performance.now() - started)} ms`);
}

interface Handshake {
  certificate: PeerCertificate;
  protocol: string;
  /** Why the certificate is not good; undefined: it is. */
  refusal: string | undefined;
}

export async function examineTls(patient: Patient): Promise<Finding> {
  const target = targetOf(patient.destination.baseUrl);
  if (!target.isEncrypted) return ok("not used (http)");
  const proxied = throughProxy(patient);
  if (proxied !== undefined) return proxied;
  const { timeoutMs, env } = patient.options;
  const { result, error } = await attempt(timeoutMs, (signal) => shakeHands(target, signal));
  if (result === undefined) {
    if (networkCause(codeOf(error)) !== "tls-trouble" || !(await speaksHttp(patient))) {
      return failedBy(error, target.hostname, patient);
    }
    return failed(
      "not-https",
      `${target.hostname}, port ${target.port} speaks plain HTTP, and the base URL says https`,
    );
  }
  const { certificate, protocol, refusal } = result;
  const untilMs = Date.parse(certificate.valid_to);
  const expiry = `valid until ${Number.isNaN(untilMs) ? "an unknown date" : new Date(untilMs).toISOString()}`;
  if (refusal !== undefined && env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    return note("tls-unchecked", `${protocol}, though: ${causeWords(refusal, refusal)}; certificates are not checked`);
  }
  if (refusal !== undefined) {
    return failed(networkCause(refusal), `${target.hostname}: ${causeWords(refusal, refusal)}; ${expiry}`);
  }
  const message = `${protocol}, certificate ${expiry}`;
  return untilMs - Date.now() < soonMs ? note("certificate-expires-soon", message) : ok(message);
}

/** Certificates are judged afterwards, so that also a bad one can be told of. */
function shakeHands({ hostname, port }: Target, signal: AbortSignal): Promise<Handshake> {
  const socket = connectTls({
    host: hostname,
    port,
    rejectUnauthorized: false,
    lookup: dns.lookup,
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
  });
  return opened(socket, "secureConnect", signal, () => handshakeOf(socket));
}

function handshakeOf(socket: TLSSocket): Handshake {
  const { authorized, authorizationError } = socket;
  return {
    certificate: socket.getPeerCertificate(),
    protocol: socket.getProtocol() ?? "TLS",
    // The types say an error; it is its code.
    refusal: authorized ? undefined : String(authorizationError),
  };
}

/** Waits until a socket is open, asks it something, and closes it. */
function opened<Result>(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  ask: () => Result,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
    // Stays for errors of the closing, which nobody needs to know.
    socket.on("error", reject);
    socket.once(event, () => {
      resolve(ask());
      socket.destroy();
    });
  });
}

/** Does what the base URL calls plain HTTP speak TLS? */
export async function speaksTls({ destination, options }: Patient): Promise<boolean> {
  const { result } = await attempt(options.timeoutMs, (signal) => shakeHands(targetOf(destination.baseUrl), signal));
  return result !== undefined;
}

/** Does what the base URL calls HTTPS speak plain HTTP? */
async function speaksHttp({ destination, options }: Patient): Promise<boolean> {
  const { hostname, port } = targetOf(destination.baseUrl);
  const baseUrl = `http://${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`;
  const outcome = await httpGet({ ...destination, baseUrl }, "/", options.timeoutMs, { withKeys: false });
  return outcome.kind === "answer";
}
