/**
 * The ready patterns: what personal data and keys look like in a text. Each is linear in the text's length: no repetition
 * without a bound inside another, and none without a bound that may begin anywhere.
 */
import { ibanLength, isCardNumber, isIban } from "./checksums.ts";
import type { MaskPattern } from "./mask-rules.ts";

interface PatternRow {
  /** Without it there is nothing to find: looked for first, since most texts have none of it. */
  hint: RegExp;
  hide: (text: string) => string;
}

/** What is hidden is replaced by this. */
function markerOf(pattern: MaskPattern): string {
  return `[masked ${pattern}]`;
}

/** How each of `tokens` begins, or what is in it. */
const tokenHint =
  /[kr]_|[sp]k-|[sp]k_|whsec_|A[A-Z0-9]{4}|aws|gh[oprsu]_|github_|gl[a-z]{2,4}-|xox|xapp-|hooks\.slack|AIza|ya29|GOCSPX|SG\.|npm_|pypi-|hf_|gsk_|r8_|xai-|pplx-|do[opr]_v1|SK[0-9a-f]|shp|sq0|eyJ|bearer|basic|:\/\/|-----BEGIN/i;

/** In the order in which they are applied: what is surer first, so that no half of it is taken for something else. */
export const patterns: Readonly<Record<MaskPattern, PatternRow>> = {
  token: { hint: tokenHint, hide: hideTokens },
  email: { hint: /@|%40/i, hide: hideEmails },
  iban: { hint: /[a-z]{2}\d\d/i, hide: hideIbans },
  card: { hint: /\d(?:[ \u00A0\u202F-]?\d){11}/, hide: hideCards },
  phone: { hint: /\d\D{0,3}\d\D{0,3}\d/, hide: hidePhones },
};

/** A top-level domain has letters: `lodash@4.17.21` is no address. */
const email =
  /[\p{L}\p{N}.!#$&'*+/=?^_`{|}~-]{1,64}(?:@|%40)(?:[\p{L}\p{N}-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,63})/giu;

function hideEmails(text: string): string {
  return text.replace(email, markerOf("email"));
}

const any = (): boolean => true;
/** Words have no digits, and are not so long. */
const hasDigit = (found: string): boolean => /\d/.test(found) || found.length >= 40;
const isCredentials = (found: string): boolean =>
  Buffer.from(found.slice("Basic".length).trim(), "base64").toString("latin1").includes(":");

/** Keys and tokens by the forms that their issuers gave them so that they can be found. What is in a group stays. */
const tokens: readonly (readonly [form: RegExp, isOne: (found: string) => boolean])[] = [
  // Langfuse, OpenAI, Anthropic, OpenRouter …
  [/(?<![\p{L}\p{N}])(?:sk|pk)-lf-[\w-]{4,}/gu, any],
  [/(?<![\p{L}\p{N}])[sp]k-[\w-]{16,}/gu, hasDigit],
  // Stripe, ElevenLabs.
  [/(?<![\p{L}\p{N}])[sprk]k_(?:live|test|prod)_\w{8,}/gu, any],
  [/(?<![\p{L}\p{N}])(?:sk_[0-9a-zA-Z]{24,}|whsec_[\w+/=]{16,})/gu, hasDigit],
  [/(?<![\p{L}\p{N}])(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/gu, any],
  [/(aws.{0,24}?(?:secret|session).{0,40}?[:=]\s{0,4}\\{0,4}["']?)[A-Za-z0-9/+]{40,}={0,2}/gi, any],
  [/(?<![\p{L}\p{N}])(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|rt|dt|cbt|ptt|soat)-[\w-]{16,})/gu, any],
  [/(?<![\p{L}\p{N}])(?:xox[abceoprs]-[\w-]{8,}|xoxe\.xox[bp]-[\w-]{8,}|xapp-[\w-]{8,})/gu, any],
  [/(hooks\.slack\.com\/(?:services|workflows|triggers)\/)[\w/-]{8,}/gi, any],
  // Google, SendGrid, npm, PyPI, Hugging Face, Groq, Replicate, xAI, Perplexity, DigitalOcean, Twilio, Shopify, Square.
  [/(?<![\p{L}\p{N}])(?:AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}|SG\.[\w-]{12,}\.[\w-]{12,})/gu, any],
  [/(?<![\p{L}\p{N}])(?:npm_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,})/gu, any],
  [/(?<![\p{L}\p{N}])(?:r8_[A-Za-z0-9]{20,}|xai-[\w-]{20,}|pplx-[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,})/gu, hasDigit],
  [/(?<![\p{L}\p{N}])(?:SK[0-9a-f]{32}(?![0-9a-f])|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}|sq0[a-z]{3}-[\w-]{20,})/gu, any],
  // A JSON Web Token, signed, encrypted or with its end cut off.
  [/(?<![\p{L}\p{N}])eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*){0,3}/gu, any],
  [/(?<![\p{L}\p{N}])bearer(?:\s|%20|\+){1,4}[\w.~+/=-]{8,}/giu, hasDigit],
  [/(?<![\p{L}\p{N}])basic(?:\s|%20){1,4}[A-Za-z0-9+/]{8,}={0,2}/giu, isCredentials],
  // The password of a URL.
  [/(:\/\/[^\s:/@]{0,64}:)[^\s/@]{1,256}(?=@)/g, any],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|$)/g, any],
];

function hideTokens(text: string): string {
  const marker = markerOf("token");
  return tokens.reduce(
    (masked, [form, isOne]) =>
      masked.replace(form, (found: string, before: string | number) => {
        if (!isOne(found)) return found;
        return typeof before === "string" ? before + marker : marker;
      }),
    text,
  );
}

const ibanBegin = /(?<![\p{L}\p{N}])[a-z]{2}\d\d/giu;
const letterOrDigit = /[a-z0-9]/i;
const groupSpace = /[ \u00A0\u202F-]/;

function hideIbans(text: string): string {
  let masked = "";
  let from = 0;
  for (const { index } of text.matchAll(ibanBegin)) {
    const end = index < from ? undefined : ibanEnd(text, index);
    if (end === undefined) continue;
    masked += text.slice(from, index) + markerOf("iban");
    from = end;
  }
  return from === 0 ? text : masked + text.slice(from);
}

/** Behind the IBAN that begins there; undefined: it is none. */
function ibanEnd(text: string, start: number): number | undefined {
  const length = ibanLength(text.slice(start, start + 2));
  if (length === undefined) return undefined;
  let iban = "";
  let at = start;
  for (; iban.length < length; at++) {
    const character = text.charAt(at);
    if (letterOrDigit.test(character)) iban += character;
    else if (!groupSpace.test(character) || !letterOrDigit.test(text.charAt(at - 1))) return undefined;
  }
  return letterOrDigit.test(text.charAt(at)) || !isIban(iban) ? undefined : at;
}

/** Digits with at most one space or hyphen between two of them. */
const digitRun = /\d(?:[ \u00A0\u202F-]?\d){11,}/g;
const longestCard = 19;

function hideCards(text: string): string {
  return text.replace(digitRun, (run, at: number) => {
    // Behind a decimal point.
    if (text.charAt(at - 1) === "." && /\d/.test(text.charAt(at - 2))) return run;
    return hideCardsIn(run);
  });
}

/**
 * A run may hold more than the card: an expiry date behind it, another card. So every row of groups is tried that may be
 * one: groups of three and more digits, or the run as a whole, since people also read a number out digit by digit.
 */
function hideCardsIn(run: string): string {
  const groups = Array.from(run.matchAll(/\d+/g), ({ 0: digits, index }) => ({ digits, index }));
  if (isCardNumber(groups.map(({ digits }) => digits).join(""))) return markerOf("card");
  let masked = "";
  let from = 0;
  for (let first = 0; first < groups.length; first++) {
    const start = groups[first]?.index as number;
    let digits = "";
    for (let last = first; last < groups.length && digits.length < longestCard; last++) {
      const group = groups[last] as { digits: string; index: number };
      digits += group.digits;
      if (!isCardNumber(digits)) {
        // Only the last group of a card is short.
        if (group.digits.length < 3) break;
        continue;
      }
      masked += run.slice(from, start) + markerOf("card");
      from = group.index + group.digits.length;
      first = last;
      break;
    }
  }
  return masked + run.slice(from);
}

const phones: readonly (readonly [form: RegExp, isOne: (found: string) => boolean])[] = [
  // With the country's code: +49 30 1234567, +1 (415) 555-2671, 0044 20 7946 0958.
  [
    /(?<![\p{L}\p{N}+])(?:\+|%2B)[ \u00A0(]?[1-9](?:[ \u00A0()./-]{0,3}\d){6,14}(?!\d)/giu,
    (found) => !/^\+\d{1,3}\.\d+$/.test(found),
  ],
  [/(?<![\p{L}\p{N}_.,:+/-])00[1-9](?:[ \u00A0()./-]{0,3}\d){8,13}(?![\p{L}\p{N}])/gu, any],
  // North America: (415) 555-2671, 415-555-2671, 415.555.2671; with spaces alone not within a row of numbers.
  [
    /(?<![\p{L}\p{N}_.+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[ .-]\d{4}(?![\p{L}\p{N}_-]|\.\d)/gu,
    any,
  ],
  [/(?<![\p{L}\p{N}_.+-]|\d[ ,;])(?:1 )?[2-9]\d\d [2-9]\d\d \d{4}(?![\p{L}\p{N}_-]|[ ,;]\d|\.\d)/gu, any],
  // Elsewhere with the leading zero: 030 1234567, 0171/1234567, 06 12 34 56 78, 07700900123.
  [
    /(?<![\p{L}\p{N}_.,:+/-])\(?0[1-9]\d{0,4}\)?[ \u00A0/-]{1,2}\d{2,}(?:[ \u00A0-]\d{2,}){0,4}(?![\p{L}\p{N}_:-]|[.,]\d)/gu,
    (found) => hasDigits(found, 9, 12) && !/^\d{1,2}[ /-]\d{1,2}[ /-]\d{4}/.test(found),
  ],
  [/(?<![\p{L}\p{N}_.,:+/#-])0[1-9]\d{8,9}(?![\p{L}\p{N}_:-]|[.,]\d)/gu, any],
];

function hidePhones(text: string): string {
  const marker = markerOf("phone");
  return phones.reduce(
    (masked, [form, isOne]) => masked.replace(form, (found) => (isOne(found) ? marker : found)),
    text,
  );
}

function hasDigits(found: string, least: number, most: number): boolean {
  const count = found.replaceAll(/\D/g, "").length;
  return count >= least && count <= most;
}
