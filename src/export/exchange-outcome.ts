import { answerFrom, connectionFailure, type Outcome } from "./answer.ts";
import { BrokenAnswerError, exchange } from "./connections.ts";

/** What came of an exchange over our own connections, as the answer table judges it. Never rejects. */
export async function outcomeOf(...request: Parameters<typeof exchange>): Promise<Outcome> {
  try {
    const { statusCode, headers, text } = await exchange(...request);
    const get = (name: string): string | null => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : (value ?? null);
    };
    return answerFrom({ status: statusCode, headers: { get } }, text);
  } catch (error) {
    if (error instanceof BrokenAnswerError) return { ...connectionFailure(error.cause), failure: "cut-off" };
    return connectionFailure(error);
  }
}
