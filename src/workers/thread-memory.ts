import type { ResourceLimits } from "node:worker_threads";

/**
 * For every thread of ours. V8 lets the young generation of a thread grow to 192 MB under load and keeps it; what these
 * threads make is gone within milliseconds, and a small one costs them no measurable time. It is no limit of the heap:
 * what lives longer moves to the old generation, which is as large as it ever was.
 */
export const threadMemory: ResourceLimits = { maxYoungGenerationSizeMb: 12 };
