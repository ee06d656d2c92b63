/** `status` for people. */
import type { LetterCount } from "../../buffer/dead-letters.ts";
import type { JournalOwner } from "../../buffer/journal-owner.ts";
import { aligned } from "../aligned.ts";
import { count, counted, duration, size } from "../quantities.ts";
import type { StatusFigures, StoreFigures } from "./figures.ts";
import type { Rates } from "./rates.ts";

const head = ["FILE", "KIND", "WRITTEN BY", "PROJECT", "WAITING", "OLDEST", "SIZE", "DEAD LETTERS"];
const rightColumns = [4, 5, 6];

/** A table of all files, and the sums below it. */
export function statusLines(figures: StatusFigures, rates: Rates | undefined): string[] {
  const { directory, stores, leftovers, setAside } = figures;
  if (stores.length === 0 && leftovers.crashLogs + leftovers.spills === 0) {
    return [`${directory}: no journals; nothing waits`, ...setAsideLines(setAside)];
  }
  return [
    directory,
    ...aligned([head, ...stores.map(cellsOf)], rightColumns),
    totalLine(figures, rates),
    ...stores.flatMap(({ file, trouble }) => (trouble === null ? [] : [`${file}: ${trouble.kind}: ${trouble.reason}`])),
    ...leftoverLines(leftovers),
    ...setAsideLines(setAside),
  ];
}

/** The sums on one line. */
export function totalLine({ totals }: StatusFigures, rates: Rates | undefined): string {
  return [
    `waiting ${count(totals.waiting)}`,
    ...(totals.waiting === 0 ? [] : [`oldest ${duration(totals.oldestAgeMs)}`]),
    ...(rates === undefined ? [] : [`in ${perSecond(rates.inPerSecond)}`, `out ${perSecond(rates.outPerSecond)}`]),
    size(totals.bytes),
    counted(totals.deadLetters, "dead letter"),
  ].join(", ");
}

function cellsOf({
  file,
  kind,
  state,
  owner,
  waiting,
  oldestAgeMs,
  bytes,
  deadLetters,
  trouble,
}: StoreFigures): string[] {
  const isUnknown = trouble !== null;
  return [
    file,
    kind,
    state === "living" ? "a process" : "nobody",
    projectOf(owner),
    isUnknown ? "?" : count(waiting),
    waiting === 0 ? "–" : duration(oldestAgeMs),
    size(bytes),
    isUnknown ? "?" : lettersOf(deadLetters),
  ];
}

function projectOf(owner: JournalOwner | null): string {
  if (owner === null) return "–";
  const host = URL.canParse(owner.baseUrl) ? new URL(owner.baseUrl).host : owner.baseUrl;
  return `${owner.publicKey ?? "(no keys)"} at ${host}`;
}

/** `3 (400: 2, 413: 1)`. */
function lettersOf(letters: readonly LetterCount[]): string {
  if (letters.length === 0) return "0";
  const total = letters.reduce((sum, each) => sum + each.count, 0);
  return `${count(total)} (${letters.map((each) => `${each.status ?? "no answer"}: ${count(each.count)}`).join(", ")})`;
}

function perSecond(rate: number): string {
  return `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s`;
}

function leftoverLines({ crashLogs, spills }: StatusFigures["leftovers"]): string[] {
  return [
    ...(crashLogs === 0
      ? []
      : [`${counted(crashLogs, "crash log")}: of processes that run, or for the next start to read`]),
    ...(spills === 0 ? [] : [`${counted(spills, "spill file")} of ended processes, for the next start to read`]),
  ];
}

function setAsideLines(files: readonly string[]): string[] {
  return files.map((file) => `${file}: damaged and set aside; what could be read of it is in a journal`);
}
