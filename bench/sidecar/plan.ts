/** What is run, for how long. */
import { type Encoding, encodings } from "./otlp-request.ts";
import { type SubjectName, subjectNames, subjects } from "./subjects.ts";

/** One load, put on one subject after another. */
export interface Cell {
  spansPerRequest: number;
  encoding: Encoding;
  connections: number;
}

export interface Plan {
  encodings: readonly Encoding[];
  spansPerRequest: readonly number[];
  connections: readonly number[];
  /** Compilers and caches become warm; not counted. */
  warmUpSeconds: number;
  measuredSeconds: number;
}

/** With its start and the delivery of what is left, under seven seconds for each of 78 processes. */
export const wholePlan: Plan = {
  encodings,
  spansPerRequest: [1, 10, 100],
  connections: [1, 10, 100],
  warmUpSeconds: 2,
  measuredSeconds: 2.5,
};

export const quickPlan: Plan = {
  encodings,
  spansPerRequest: [1, 100],
  connections: [10],
  warmUpSeconds: 0.5,
  measuredSeconds: 1,
};

/** For what a subject still has to deliver after the load. */
export const drainLimitSeconds = 20;

export function cellsOf({ spansPerRequest, encodings, connections }: Plan): Cell[] {
  return spansPerRequest.flatMap((spans) =>
    encodings.flatMap((encoding) =>
      connections.map((count): Cell => ({ spansPerRequest: spans, encoding, connections: count })),
    ),
  );
}

/** In the order in which a cell runs them. */
export function subjectsOf(cell: Cell, wanted: readonly SubjectName[]): SubjectName[] {
  return subjectNames.filter(
    (name) => wanted.includes(name) && (subjects[name].connections?.includes(cell.connections) ?? true),
  );
}
