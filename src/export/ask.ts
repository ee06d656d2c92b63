import { answerFrom, connectionFailure, type Outcome } from "./answer.ts";
import { BrokenAnswerError, type Exchange, exchange } from "./connections.ts";

/** One request over our own connections, and what came of it. Never rejects. */
export async function ask(url: string, asked: Exchange): Promise<Outcome> {
  try {
    const { status, headers, text } = await exchange(url, asked);
    const get = (name: string): string | null => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : (value ?? null);
    };
    return answerFrom({ status, headers: { get } }, text);
  } catch (error) {
    if (!(error instanceof BrokenAnswerError)) return connectionFailure(error);
    return { ...connectionFailure(error.cause), failure: "cut-off" };
  }
}
