/** The next start of a subject after its process has ended: it delivers what it finds. */
import type { Measure } from "../job.ts";

export const measure: Measure = async ({ prepare }) => {
  const subject = prepare();
  const startMs = performance.now();
  await subject.settle();
  const settleMs = performance.now() - startMs;
  await subject.close();
  return { figures: { settleMs } };
};
