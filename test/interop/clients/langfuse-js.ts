/** Langfuse's JS SDK, version 5: `@langfuse/otel` with `@langfuse/tracing`, `@langfuse/client` for scores and prompts. */
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import {
  propagateAttributes,
  setLangfuseTracerProvider,
  startActiveObservation,
  startObservation,
} from "@langfuse/tracing";
import { type Context, context, ROOT_CONTEXT } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { endedSpans, fact, looksUp, recordExports, recordFetch, sayScore, sidecarUrl, units } from "./recording.ts";

/** What OpenTelemetry's package for Node brings along; it is not among this project's. */
const current = new AsyncLocalStorage<Context>();
context.setGlobalContextManager({
  active: () => current.getStore() ?? ROOT_CONTEXT,
  with: (active, run, self, ...args) => current.run(active, () => run.apply(self, args)),
  bind: (_active, target) => target,
  enable() {
    return this;
  },
  disable() {
    return this;
  },
});

process.env["LANGFUSE_BASE_URL"] = sidecarUrl;
globalThis.fetch = recordFetch(globalThis.fetch);
recordExports(OTLPTraceExporter);
const provider = new BasicTracerProvider({
  spanProcessors: [endedSpans, new LangfuseSpanProcessor({ environment: "interop", flushInterval: 0.5 })],
});
setLangfuseTracerProvider(provider);
const client = new LangfuseClient();

if (looksUp) {
  const projects = await client.api.projects.get();
  fact("authCheck", projects.data.length === 1);
  const prompt = await client.prompt.get("greeting");
  fact("prompt", { text: prompt.compile({ name: "Ada" }), version: prompt.version });
}

for await (const number of units()) {
  startActiveObservation(`call-${number}`, (root) => {
    root.update({ input: { number } });
    const propagated = { userId: "ada", sessionId: `session-${number}`, tags: ["interop"], traceName: "interop call" };
    propagateAttributes(propagated, () => {
      const generation = startObservation(
        "answer",
        {
          model: "gpt-4o-mini",
          modelParameters: { temperature: 0.5 },
          input: [{ role: "user", content: "Wie spät ist es? 🕙" }],
          usageDetails: { input: 11, output: 7 },
          metadata: { attempt: 1 },
        },
        { asType: "generation" },
      );
      generation.update({ output: { role: "assistant", content: "Zehn." } }).end();
      const tool = startObservation("look up", { input: { q: "time" } }, { asType: "tool" });
      tool.update({ output: "10:00", level: "WARNING", statusMessage: "slow" }).end();
    });
    root.update({ output: { answered: true } });
    const id = `js5-${root.traceId}`;
    client.score.create({
      id,
      name: "helpful",
      value: 0.9,
      traceId: root.traceId,
      observationId: root.id,
      comment: "good",
    });
    sayScore(id, root.traceId, "helpful");
  });
}
// It rejects when an export failed for good.
const isFlushed = await provider.forceFlush().then(
  () => true,
  () => false,
);
await client.flush();
fact("flushed", isFlushed);
await provider.shutdown();
