/** What the command tells by its exit code; docs/command-line.md has the same table. 128 + n: ended by the signal n. */
export const exitCodes = {
  /** Done, and nothing is wrong. */
  ok: 0,
  /** It could not be done; stderr says why. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** `doctor` found something that must be mended. */
  unhealthy: 3,
  /** Something is left: spans that were not delivered, records that were not taken. */
  undelivered: 4,
  /** A living process holds what was to be changed. */
  inUse: 5,
  /** A journal is damaged. */
  damaged: 6,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
