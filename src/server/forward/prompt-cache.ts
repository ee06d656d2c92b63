import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";

/** All prompts of all projects together. */
const maxCacheBytes = 32 * 1024 * 1024;
/** A larger answer is passed on, and not kept. */
export const maxPromptBytes: number = 2 * 1024 * 1024;
/** About what a key and an entry take beside the body. */
const entryBytes = 512;

export interface KeptAnswer {
  body: Buffer;
  contentType: string;
  /** When it came (`performance.now()`). */
  atMs: number;
}

/**
 * The latest answer of each prompt, for when Langfuse is away: a bot with an old prompt talks, one without does not.
 * In memory alone. Whoever asks gets only what was answered to the same Authorization header.
 */
export class PromptCache {
  readonly #answers = new LRUCache<string, KeptAnswer>({
    maxSize: maxCacheBytes,
    sizeCalculation: ({ body }) => body.length + entryBytes,
  });

  get(key: string): KeptAnswer | undefined {
    return this.#answers.get(key);
  }

  set(key: string, answer: KeptAnswer): void {
    this.#answers.set(key, answer);
  }

  delete(key: string): void {
    this.#answers.delete(key);
  }
}

const promptPath = /^\/api\/public\/(v2\/)?prompts(\/|$)/;

/** Undefined: this is no request for a prompt. */
export function promptKey(request: {
  method: string;
  url: URL;
  baseUrl: string;
  authorization: string | undefined;
}): string | undefined {
  const { method, url, baseUrl, authorization } = request;
  if (method !== "GET" || !promptPath.test(url.pathname)) return undefined;
  // A hash: keys stay out of the memory that lives long. The order of the query's parts says nothing.
  url.searchParams.sort();
  return hash("sha256", `${baseUrl}\n${authorization}\n${url.pathname}\n${url.searchParams.toString()}`);
}
