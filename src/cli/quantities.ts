/** Quantities for people. */
const ageUnits: readonly [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

const sizeUnits: readonly [name: string, bytes: number][] = [
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
];

/** `90_000` → `1.5 min`; below a second in milliseconds. */
export function duration(ms: number): string {
  const unit = ageUnits.find(([, each]) => Math.abs(ms) >= each);
  return unit === undefined ? `${Math.round(ms)} ms` : `${rounded(ms / unit[1])} ${unit[0]}`;
}

/** `1536` → `1.5 KiB`. */
export function size(bytes: number): string {
  const unit = sizeUnits.find(([, each]) => bytes >= each);
  return unit === undefined ? `${bytes} B` : `${rounded(bytes / unit[1])} ${unit[0]}`;
}

/** `1234567` → `1,234,567`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1, "journal"` → `1 journal`; `2, "journal"` → `2 journals`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function rounded(value: number): string {
  return Math.abs(value) < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
