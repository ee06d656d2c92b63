/** Secrets of each kind, made from a seed: none of them is anybody's. */
import { isCardNumber, isIban } from "../../src/mask/checksums.ts";
import type { MaskPattern } from "../../src/mask/mask-rules.ts";

export interface PlantedSecret {
  kind: MaskPattern;
  /** As it stands in a text. */
  text: string;
  /** What must be nowhere: its telling part. */
  trace: string;
}

/** A generator of numbers below 2^32 (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const lower = "abcdefghijklmnopqrstuvwxyz";
const upper = lower.toUpperCase();
const digits = "0123456789";

export class SecretMaker {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seeded(seed);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.#next() % items.length] as Item;
  }

  chars(alphabet: string, count: number): string {
    return Array.from({ length: count }, () => alphabet[this.#next() % alphabet.length]).join("");
  }

  make(kind: MaskPattern): PlantedSecret {
    return { kind, ...this.#makers[kind]() };
  }

  readonly #makers: Readonly<Record<MaskPattern, () => { text: string; trace: string }>> = {
    email: () => {
      const local = this.chars(lower + digits, 12);
      const form = this.pick(["%", "%.x", "first.%", "%+tag", "Ünal_%"]);
      const domain = this.pick([
        "example.com",
        "mail.example.co.uk",
        "xn--bcher-kva.example",
        "sub-domain.example.berlin",
      ]);
      const at = this.pick(["@", "@", "@", "%40"]);
      return { text: `${form.replace("%", local)}${at}${domain}`, trace: local };
    },
    phone: () => {
      const [a, b, c] = [this.#digits(3, "23456789"), this.#digits(3, "23456789"), this.#digits(4, digits)];
      return this.pick([
        { text: `+49 30 ${a}${c}${b}`, trace: `${a}${c}` },
        { text: `+1 (${a}) ${b}-${c}`, trace: `${b}-${c}` },
        { text: `+1${a}${b}${c}`, trace: `${a}${b}${c}` },
        { text: `(${a}) ${b}-${c}`, trace: `${b}-${c}` },
        { text: `${a}-${b}-${c}`, trace: `${b}-${c}` },
        { text: `0${a}/${b}${c}`, trace: `${b}${c}` },
        { text: `0044 20 ${c} ${a}1`, trace: `${c} ${a}` },
        { text: `0171${b}${c}`, trace: `${b}${c}` },
      ]);
    },
    card: () => {
      const [prefix, length, groups] = this.pick<[string, number, number[]]>([
        ["4", 16, [4, 4, 4, 4]],
        ["55", 16, [4, 4, 4, 4]],
        ["2221", 16, [4, 4, 4, 4]],
        ["37", 15, [4, 6, 5]],
        ["6011", 16, [4, 4, 4, 4]],
        ["3530", 16, [4, 4, 4, 4]],
      ]);
      const body = prefix + this.chars(digits, length - prefix.length - 1);
      const card = Array.from(digits)
        .map((last) => body + last)
        .find((number) => isCardNumber(number)) as string;
      let from = 0;
      const parts = groups.map((size) => card.slice(from, (from += size)));
      const text = parts.join(this.pick(["", " ", "-"]));
      return { text, trace: text };
    },
    iban: () => {
      const rest = this.chars(digits, 18);
      const iban = Array.from({ length: 97 }, (_, check) => `DE${String(check + 2).padStart(2, "0")}${rest}`).find(
        (number) => number.length === 22 && isIban(number),
      ) as string;
      const text = this.pick([iban, iban.replaceAll(/(.{4})/g, "$1 ").trim(), iban.toLowerCase()]);
      return { text, trace: text };
    },
    token: () => {
      const body = this.chars(lower + upper + digits, 40) + this.#digits(2, digits);
      const hex = this.chars("0123456789abcdef", 32);
      return this.pick([
        { text: `sk-proj-${body}`, trace: body },
        { text: `sk-lf-${hex}`, trace: hex },
        { text: `pk-lf-${hex}`, trace: hex },
        { text: `AKIA${body.slice(0, 16).toUpperCase()}`, trace: body.slice(0, 16).toUpperCase() },
        { text: `ghp_${body}`, trace: body },
        { text: `github_pat_${body}`, trace: body },
        { text: `xoxb-123-${body}`, trace: body },
        { text: `eyJ${body.slice(0, 20)}.eyJ${body.slice(20)}.${hex}`, trace: hex },
        { text: `Bearer ${body}`, trace: body },
        {
          text: `Basic ${Buffer.from(`user:${body}`).toString("base64")}`,
          trace: Buffer.from(`user:${body}`).toString("base64"),
        },
        { text: `https://user:${body}@db.internal/x`, trace: body },
        { text: `AIza${body.slice(0, 35)}`, trace: body.slice(0, 35) },
        { text: `sk_live_${body}`, trace: body },
      ]);
    },
  };

  #digits(count: number, alphabet: string): string {
    return this.chars(alphabet, count);
  }
}
