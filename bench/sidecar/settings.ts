/** What `npm run bench:sidecar -- …` asks for. */
import { parseArgs } from "node:util";
import { encodings } from "./otlp-request.ts";
import { type Plan, quickPlan, wholePlan } from "./plan.ts";
import { type SubjectName, subjectNames, subjects } from "./subjects.ts";

export interface SidecarSettings {
  plan: Plan;
  subjects: readonly SubjectName[];
  isQuick: boolean;
  /** Take CPU profiles of the sidecar, into bench/results/sidecar-profiles. They slow it down. */
  isProfiling: boolean;
  /** Write docs/benchmarks-sidecar.md too. */
  isReporting: boolean;
}

/** @throws Error that names the option and what it allows. */
export function readSidecarSettings(args: string[]): SidecarSettings {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string" },
      encoding: { type: "string" },
      spans: { type: "string" },
      connections: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      report: { type: "boolean", default: false },
    },
  });
  const { only, encoding, spans, connections, seconds } = values;
  const { quick: isQuick, profile: isProfiling, report: isReporting } = values;
  const base = isQuick ? quickPlan : wholePlan;
  const isPart =
    isQuick || isProfiling || [only, encoding, spans, connections, seconds].some((value) => value !== undefined);
  if (isReporting && isPart) throw new Error("--report: only a whole run becomes the report");
  return {
    plan: {
      ...base,
      encodings: names("--encoding", encoding, encodings),
      spansPerRequest: numbers("--spans", spans) ?? base.spansPerRequest,
      connections: numbers("--connections", connections) ?? base.connections,
      measuredSeconds: numbers("--seconds", seconds)?.[0] ?? base.measuredSeconds,
    },
    subjects:
      only === undefined
        ? subjectNames.filter((name) => subjects[name].isOnRequest !== true)
        : names("--only", only, subjectNames),
    isQuick,
    isProfiling,
    isReporting,
  };
}

function names<Name extends string>(option: string, text: string | undefined, known: readonly Name[]): readonly Name[] {
  if (text === undefined) return known;
  const wanted = text.split(",");
  const unknown = wanted.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`${option}: there is no "${unknown}", but ${known.join(", ")}`);
  return known.filter((name) => wanted.includes(name));
}

function numbers(option: string, text: string | undefined): number[] | undefined {
  return text?.split(",").map((part) => {
    const value = Number(part);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${option}: "${part}" is no whole number above 0`);
    return value;
  });
}
