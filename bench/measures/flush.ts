/** How long `flush()` takes in a process that is warm: with one span waiting, and with a hundred. */
import { setTimeout } from "node:timers/promises";
import { makeContents } from "../content.ts";
import type { Figures, Measure } from "../job.ts";
import { quantile } from "../statistics.ts";

const warmUpFlushes = 5;
const pauseMs = 5;
const sizes = [1, 100];

export const measure: Measure = async ({ job, prepare, parameter }) => {
  const flushes = parameter("flushes");
  const subject = prepare();
  const inputs = makeContents(job.kind, Math.max(...sizes), job.seed).map((content) => subject.inputOf(content));
  const figures: Figures = { flushes };
  for (const size of sizes) {
    const flushMs = new Float64Array(flushes);
    for (let index = -warmUpFlushes; index < flushes; index++) {
      await setTimeout(pauseMs);
      for (let at = 0; at < size; at++) subject.call(inputs[at]);
      const startMs = performance.now();
      await subject.settle();
      if (index >= 0) flushMs[index] = performance.now() - startMs;
    }
    flushMs.sort();
    figures[`flush${size}.p50Ms`] = quantile(flushMs, 0.5);
    figures[`flush${size}.p90Ms`] = quantile(flushMs, 0.9);
    figures[`flush${size}.maxMs`] = quantile(flushMs, 1);
  }
  await subject.close();
  return { figures };
};
