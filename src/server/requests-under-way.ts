import type { Server, ServerResponse } from "node:http";

/** The requests that have come and are not answered yet. */
export class RequestsUnderWay {
  readonly #responses = new Set<ServerResponse>();
  readonly #onEnd = new Set<() => void>();
  #isLast = false;

  constructor(server: Server) {
    server.prependListener("request", (_request, response: ServerResponse) => {
      this.#responses.add(response);
      if (this.#isLast) response.shouldKeepAlive = false;
      response.once("close", () => {
        this.#responses.delete(response);
        for (const look of this.#onEnd) look();
      });
    });
  }

  get count(): number {
    return this.#responses.size;
  }

  /** Every connection is closed with the answer that is under way on it. */
  takeNoMore(): void {
    this.#isLast = true;
    for (const response of this.#responses) response.shouldKeepAlive = false;
  }

  /** Resolves when those of this moment have been answered or given up, or after `limitMs`. */
  async ended(limitMs: number): Promise<void> {
    const waitedFor = [...this.#responses];
    const isOver = (): boolean => waitedFor.every((response) => !this.#responses.has(response));
    if (isOver()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onEnd.delete(look);
        resolve();
      };
      const look = (): void => {
        if (isOver()) done();
      };
      const timer = setTimeout(done, limitMs);
      this.#onEnd.add(look);
    });
  }
}
