import type { Cause } from "./causes.ts";

/**
 * - `ok`: as it should be.
 * - `note`: it works, and yet somebody should know.
 * - `failed`: it must be mended.
 * - `skipped`: it could not be looked at, because something before it failed, or was not asked for.
 */
export type FindingStatus = "ok" | "note" | "failed" | "skipped";

/** What one step has found. */
export interface Finding {
  status: FindingStatus;
  /** What is so, for people, without any secret; several lines where there is a list of things. */
  message: string;
  /** Of what is noted or has failed; the table in causes.ts has its remedy. */
  cause?: Cause;
  /** The parts of what was found, for programs; on a terminal texts alone are shown. */
  details?: readonly unknown[];
}

export function ok(message: string, details?: readonly unknown[]): Finding {
  return { status: "ok", message, ...(details === undefined ? {} : { details }) };
}

export function note(cause: Cause, message: string, details?: readonly unknown[]): Finding {
  return { status: "note", cause, message, ...(details === undefined ? {} : { details }) };
}

export function failed(cause: Cause, message: string, details?: readonly unknown[]): Finding {
  return { status: "failed", cause, message, ...(details === undefined ? {} : { details }) };
}

export function skipped(message: string): Finding {
  return { status: "skipped", message };
}
