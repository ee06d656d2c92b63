import type { SubjectRow } from "../subjects.ts";
import type { ResultCollector, RunnerContext, TrialResult } from "../trial.ts";

/** @returns the collector, and the result that it fills. */
export function collect({ trial, turns }: RunnerContext): { result: TrialResult; collector: ResultCollector } {
  const beganMs = performance.now();
  const result: TrialResult = {
    name: trial.name,
    title: trial.title,
    note: trial.note,
    turns: 0,
    seconds: 0,
    rows: [],
    notRun: [],
    failures: [],
    remarks: [],
  };
  const elapsedSeconds = (): number => (performance.now() - beganMs) / 1000;
  const collector: ResultCollector = {
    add({ name, title }, variant, sample) {
      let row = result.rows.find((known) => known.subject === name && known.variant === variant);
      if (row === undefined) {
        row = { subject: name, title, ...(variant === undefined ? {} : { variant }), samples: [] };
        result.rows.push(row);
      }
      row.samples.push(sample);
    },
    refuse: ({ name }, reason) => void result.notRun.push({ subject: name, reason }),
    fail: ({ name }, reason) => void result.failures.push({ subject: name, reason }),
    remark: (line) => void result.remarks.push(line),
    isOut: ({ name }: SubjectRow) => [...result.notRun, ...result.failures].some(({ subject }) => subject === name),
    endTurn(turn) {
      result.turns = turn;
      result.seconds = elapsedSeconds();
      if (turn >= turns) return false;
      // The next turn takes as long as this one did.
      if ((result.seconds / turn) * (turn + 1) <= trial.budgetSeconds * 1.25) return true;
      result.remarks.push(
        `${turn} of ${turns} turns: more would have gone beyond the ${trial.budgetSeconds} s allowed`,
      );
      return false;
    },
  };
  return { result, collector };
}
