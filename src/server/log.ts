import pino from "pino";
import type { Log } from "./context.ts";
import type { SidecarOptions } from "./options.ts";

const stderr = 2;

/** JSON lines on stderr: `{"level":"warn","time":"…","msg":"…", …}`. */
export function createLog(level: SidecarOptions["logLevel"]): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // Synchronous: the last words before the end of the process are those that matter most.
    pino.destination({ fd: stderr, sync: true }),
  );
}
