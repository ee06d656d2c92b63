import { InvalidArgumentError } from "commander";

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `12h`, `7d` in milliseconds; a flag's value. */
export function parseAge(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("a number with s, m, h or d is allowed: 90s, 15m, 12h, 7d.");
  return Number(number) * unitMs[unit as keyof typeof unitMs];
}
