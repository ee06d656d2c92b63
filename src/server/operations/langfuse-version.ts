import { serverFrom } from "../../export/discover.ts";
import { httpGet } from "../../export/http-get.ts";
import type { Destination } from "../../workers/messages.ts";

/** Said while nothing is known of the real one: SDKs look whether there is OTLP, and a sidecar has it. */
const assumedVersion = "4.0.0";

const rememberedMs = 60_000;
const askLimitMs = 5_000;

/** What Langfuse said last of its version. It is asked behind the answer, which so never waits for it. */
export class LangfuseVersion {
  /** By base URL; there are as many as projects. */
  readonly #known = new Map<string, { version: string | undefined; askedAtMs: number }>();

  of(destination: Destination): string {
    const { baseUrl } = destination;
    const known = this.#known.get(baseUrl);
    const nowMs = performance.now();
    if (known === undefined || nowMs - known.askedAtMs > rememberedMs) {
      this.#known.set(baseUrl, { version: known?.version, askedAtMs: nowMs });
      void this.#ask(destination);
    }
    return known?.version ?? assumedVersion;
  }

  async #ask(destination: Destination): Promise<void> {
    const version = serverFrom(
      await httpGet(destination, "/api/public/health", askLimitMs, { withKeys: false }),
    )?.version;
    const known = this.#known.get(destination.baseUrl);
    if (version !== undefined && known !== undefined) known.version = version;
  }
}
