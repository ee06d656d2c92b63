import { describeError } from "../buffer/safe-value.ts";

/** Attributes of OpenTelemetry's event `exception`. May throw what the error's getters throw. */
export function exceptionAttributes(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { "exception.message": error };
  return { "exception.type": error.name, "exception.message": error.message, "exception.stacktrace": error.stack };
}

/** For a span's status. Never throws. */
export function exceptionMessage(error: unknown): string {
  try {
    const message: unknown = error instanceof Error ? error.message : undefined;
    if (typeof message === "string") return message;
  } catch {
    // A getter of the caller's.
  }
  return describeError(error);
}
