import type { StoredLetter } from "../buffer/dead-letters.ts";
import type { SpanPayload } from "../buffer/span-payload.ts";
import type { DeadLetterCommand, DeadLetterSummary } from "./messages.ts";
import type { Readmission } from "./readmission.ts";

/** Letters that are moved or removed in one transaction: some milliseconds of the pump's time. */
const chunkLetters = 500;

type LetterAccess = Pick<Readmission, "deadLetters" | "revive" | "removeDeadLetters">;

/** Does what the caller wants done with dead letters. Never throws. */
export function attend(
  command: DeadLetterCommand,
  letters: LetterAccess,
): { result: unknown; error: string | undefined } {
  try {
    return { result: resultOf(command, letters), error: undefined };
  } catch (error) {
    return { result: undefined, error: (error as Error).message };
  }
}

function resultOf(command: DeadLetterCommand, letters: LetterAccess): unknown {
  switch (command.name) {
    case "list":
      return letters.deadLetters.list(command.limit, command.before).map(summaryOf);
    case "get": {
      const letter = letters.deadLetters.get(command.id);
      return letter === undefined ? undefined : { ...summaryOf(letter), span: spanOf(letter) };
    }
    case "retry":
      return inChunks(command.ids, (ids) => letters.revive(ids, chunkLetters));
    default:
      return inChunks(command.ids, (ids) => letters.removeDeadLetters(ids, chunkLetters));
  }
}

/** Until all are done. Returns how many there were. */
function inChunks(ids: readonly number[] | "all", action: (ids: readonly number[] | "all") => number): number {
  let total = 0;
  if (ids === "all") {
    for (let count = action(ids); count > 0; count = action(ids)) total += count;
    return total;
  }
  for (let from = 0; from < ids.length; from += chunkLetters) total += action(ids.slice(from, from + chunkLetters));
  return total;
}

function summaryOf(letter: StoredLetter): DeadLetterSummary {
  const { id, diedAtMs, acceptedAtMs, status, reason, payload } = letter;
  const { traceId, spanId, name } = identityOf(spanOf(letter) ?? {});
  return {
    id,
    traceId: textOf(traceId),
    spanId: textOf(spanId),
    name: textOf(name),
    status: status ?? undefined,
    reason,
    diedAtMs,
    acceptedAtMs,
    bytes: payload.length,
  };
}

/** Of a span, or of an event for the ingestion route: what that is about. */
function identityOf(stored: object): { traceId?: unknown; spanId?: unknown; name?: unknown } {
  const { type, body } = stored as { type?: unknown; body?: unknown };
  if (typeof type !== "string" || typeof body !== "object" || body === null) return stored;
  const { id, traceId, observationId, name } = body as Record<string, unknown>;
  const isTrace = type === "trace-create";
  return {
    traceId: isTrace ? id : traceId,
    spanId: isTrace ? "" : (observationId ?? id),
    name: `${type} ${textOf(name)}`.trim(),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function spanOf({ payload }: StoredLetter): Partial<SpanPayload> | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
