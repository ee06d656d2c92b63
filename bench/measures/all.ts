/** Each measure is loaded in the process that needs it only: what others import must not be in its memory. */
import type { Measure, MeasureName } from "../job.ts";

export const measures: Readonly<Record<MeasureName, () => Promise<{ measure: Measure }>>> = {
  "busy-bot": () => import("./busy-bot.ts"),
  delivery: () => import("./delivery.ts"),
  drain: () => import("./drain.ts"),
  exit: () => import("./exit.ts"),
  flush: () => import("./flush.ts"),
  "hot-path": () => import("./hot-path.ts"),
  memory: () => import("./memory.ts"),
  outage: () => import("./outage.ts"),
  recover: () => import("./recover.ts"),
  start: () => import("./start.ts"),
};
