/** The example of a Pipecat bot, as it stands in examples/. */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, inject, it, onTestFinished } from "vitest";
import { openSite } from "./site.ts";

it("its spans arrive, with what the sidecar adds", async () => {
  const site = await openSite("otlp");
  onTestFinished(() => site.close());
  const { langfuse, sidecar } = site;
  const program = fileURLToPath(new URL("../../examples/pipecat_bot.py", import.meta.url));
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: sidecar.url };
  await promisify(execFile)(inject("python").current, [program], { env });
  await expect.poll(() => langfuse.account().spans, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);

  const spans = langfuse.spans();
  expect(spans.find(({ name }) => name === "tts")).toMatchObject({
    type: "GENERATION",
    model: "silent-1",
    input: "Hello! What can I do for you?",
  });
  expect(spans.find(({ name }) => name === "conversation")).toMatchObject({ sessionId: "call-4711", userId: "user-1" });
});
