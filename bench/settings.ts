/** What `npm run bench -- …` asks for. */
import { parseArgs } from "node:util";
import { subjects } from "./subjects.ts";
import { trials } from "./suite.ts";
import type { Trial } from "./trial.ts";

export interface Settings {
  trials: readonly Trial[];
  /** Names; undefined: all. */
  subjects: readonly string[] | undefined;
  turns: number;
  isQuick: boolean;
  isPublishing: boolean;
}

const defaultTurns = 3;
/** Of the spans of the full suite. */
const quickShare = 1 / 20;
const fewestQuickSpans = 200;

/** @throws Error that names the option and what it allows. */
export function readSettings(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string" },
      turns: { type: "string" },
      quick: { type: "boolean", default: false },
      publish: { type: "boolean", default: false },
    },
  });
  const names = values.only === undefined ? [] : values.only.split(",");
  const unknown = names.find((name) => [...trials, ...subjects].every((known) => known.name !== name));
  if (unknown !== undefined) {
    throw new Error(`--only: there is no "${unknown}"; trials: ${namesOf(trials)}; subjects: ${namesOf(subjects)}`);
  }
  const wantedTrials = trials.filter(({ name }) => names.includes(name));
  const wantedSubjects = names.filter((name) => subjects.some((subject) => subject.name === name));
  if (values.publish && (values.quick || names.length > 0)) throw new Error("--publish: only a whole run is published");
  return {
    trials: wantedTrials.length === 0 ? trials : wantedTrials,
    subjects: wantedSubjects.length === 0 ? undefined : wantedSubjects,
    turns: values.quick ? 1 : positive("--turns", values.turns ?? String(defaultTurns)),
    isQuick: values.quick,
    isPublishing: values.publish,
  };
}

/** The subjects of a trial that are wanted, with their spans. Its reference is always among them. */
export function subjectsOf(trial: Trial, settings: Settings): { name: string; spans: number }[] {
  const { subjects: wanted, isQuick } = settings;
  const isWanted = (name: string): boolean =>
    wanted?.includes(name) ?? (!isQuick || trial.quickSubjects.includes(name));
  const found = Object.entries(trial.subjects).filter(([name]) => isWanted(name));
  if (found.length === 0) return [];
  return Object.entries(trial.subjects)
    .filter(([name]) => isWanted(name) || name === trial.reference)
    .map(([name, spans]) => ({ name, spans: isQuick ? fewer(spans) : spans }));
}

/** Numbers below the fewest mean something else than a load. */
function fewer(spans: number): number {
  return spans <= fewestQuickSpans ? spans : Math.max(fewestQuickSpans, Math.round((spans * quickShare) / 100) * 100);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${option}: "${value}" is no whole number above 0`);
  return number;
}

function namesOf(known: readonly { name: string }[]): string {
  return known.map(({ name }) => name).join(", ");
}
