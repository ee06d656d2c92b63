/**
 * Langfuse's JS SDK, version 3: events on the ingestion route; only its host is changed. Each observation has a name of
 * its own: its id is another one once its events have become an OTLP span.
 */
import process from "node:process";
import { Langfuse } from "langfuse";
import { fact, looksUp, recordFetch, sayObservation, sayScore, sidecarUrl, units } from "./recording.ts";

process.env["LANGFUSE_BASEURL"] = sidecarUrl;
globalThis.fetch = recordFetch(globalThis.fetch);
const langfuse = new Langfuse({ flushInterval: 500, environment: "interop" });
langfuse.on("error", (error: unknown) => process.stderr.write(`${String(error)}\n`));

if (looksUp) {
  const prompt = await langfuse.getPrompt("greeting");
  fact("prompt", { text: prompt.compile({ name: "Ada" }), version: prompt.version });
}

for await (const number of units()) {
  const trace = langfuse.trace({
    name: "interop call",
    userId: "ada",
    sessionId: `session-${number}`,
    tags: ["interop"],
    metadata: { number },
    input: { number },
  });
  const root = trace.span({ name: `js3-call-${number}`, input: { number } });
  const generation = root.generation({
    name: `js3-answer-${number}`,
    model: "gpt-4o-mini",
    modelParameters: { temperature: 0.5 },
    input: [{ role: "user", content: "Wie spät ist es? 🕙" }],
    metadata: { attempt: 1 },
  });
  generation.end({ output: { role: "assistant", content: "Zehn." }, usageDetails: { input: 11, output: 7 } });
  const event = root.event({ name: `js3-interrupted-${number}`, level: "WARNING", statusMessage: "barge-in" });
  root.end({ output: { answered: true } });
  trace.update({ output: { answered: true } });
  for (const [observation, name] of [
    [root, "call"],
    [generation, "answer"],
    [event, "interrupted"],
  ] as const) {
    sayObservation(observation.id, trace.id, `js3-${name}-${number}`);
  }
  const id = `js3-${trace.id}`;
  trace.score({ id, name: "helpful", value: 0.9, comment: "good" });
  sayScore(id, trace.id, "helpful");
}
await langfuse.shutdownAsync();
fact("flushed", true);
