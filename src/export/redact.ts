/**
 * What may go into a reason. Server answers and error messages come from outside: they may be long, hold line breaks
 * and, from a proxy that echoes headers, hold the very keys that were sent.
 */
import type { Destination } from "../workers/messages.ts";

/** Reasons are one line, and end up in logs and in the dead-letter table. */
const longestReason = 300;

/** The text on one line, at most 300 characters long, the destination's secrets replaced by `***`. */
export function redact(text: string, destination: Destination): string {
  let clean = text;
  for (const secret of secretForms(destination)) clean = clean.replaceAll(secret, "***");
  clean = clean
    // oxlint-disable-next-line eslint/no-control-regex -- control characters are what must not reach a terminal
    .replaceAll(/[\u0000-\u001F\u007F-\u009F\u2028\u2029\s]+/g, " ")
    .trim()
    .toWellFormed();
  return clean.length <= longestReason ? clean : `${clean.slice(0, longestReason - 1).toWellFormed()}…`;
}

/** Longest first, so that no part of a longer form is left standing. */
function secretForms({ publicKey, secretKey, baseUrl }: Destination): string[] {
  const forms = [
    Buffer.from(`${publicKey}:${secretKey}`).toString("base64"),
    Buffer.from(`${publicKey}:${secretKey}`).toString("base64url"),
    Buffer.from(secretKey).toString("base64"),
    `Bearer ${publicKey}`,
    encodeURIComponent(secretKey),
    JSON.stringify(secretKey).slice(1, -1),
    secretKey,
    passwordOf(baseUrl),
  ];
  return [...new Set(forms)].filter((form) => form !== "").sort((a, b) => b.length - a.length);
}

function passwordOf(baseUrl: string): string {
  return URL.canParse(baseUrl) ? new URL(baseUrl).password : "";
}

/** The host (with its port) for a reason; never the user or password of a URL. */
export function hostOf(baseUrl: string): string {
  return URL.canParse(baseUrl) ? new URL(baseUrl).host : "(no valid base URL)";
}
