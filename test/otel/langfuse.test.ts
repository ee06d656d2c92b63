/** `@langfuse/otel` and `@langfuse/tracing`, unchanged: alone, and with our exporter in the place of theirs. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { LangfuseSpanProcessor, type LangfuseSpanProcessorParams } from "@langfuse/otel";
import {
  observe,
  propagateAttributes,
  setLangfuseTracerProvider,
  startActiveObservation,
  startObservation,
  updateActiveObservation,
} from "@langfuse/tracing";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { BufferedSpanExporter, BufferedSpanProcessor } from "../../src/otel/index.ts";
import type { StoredSpan } from "../../src/stand-in/observation.ts";
import type { StandIn } from "../../src/stand-in/index.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { countingIds } from "./providers.ts";

const keys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" };
const beginMs = 1_793_520_000_000;
const pixel = "data:image/png;base64,iVBORw0KGgo=";

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());

/** Every way of `@langfuse/tracing` to make a span. `pass` lets time go by. */
async function program(pass: (ms: number) => void): Promise<void> {
  const answer = observe(
    async (question: string) => {
      updateActiveObservation({ metadata: { asked: question } });
      return { answer: 42, question };
    },
    { name: "answer", asType: "tool" },
  );
  await startActiveObservation("call", async (root) => {
    root.update({ input: { number: 1, photo: pixel, secret: "token_abc" }, version: "v1" });
    const propagated = {
      userId: "ada",
      sessionId: "session-1",
      tags: ["a", "b"],
      traceName: "call",
      metadata: { plan: "pro" },
    };
    await propagateAttributes(propagated, async () => {
      const generation = startObservation(
        "llm",
        {
          model: "gpt-4o-mini",
          modelParameters: { temperature: 0.5 },
          input: [{ role: "user", content: "Wie spät ist es? 🕙" }],
          usageDetails: { input: 11, output: 7 },
          costDetails: { total: 0.001 },
          completionStartTime: new Date(beginMs + 300),
          prompt: { name: "greeting", version: 3, isFallback: false },
          metadata: { attempt: 0, nested: { list: [1, null, "x"] } },
        },
        { asType: "generation" },
      );
      generation.otelSpan.addEvent("first token", { index: 0, words: ["Ze"] });
      generation.otelSpan.addLink({ context: root.otelSpan.spanContext(), attributes: { why: "test" } });
      pass(401);
      generation.update({ output: { role: "assistant", content: "Zehn. token_xyz" } }).end();
      const tool = startObservation(
        "look up",
        { input: "time", level: "WARNING", statusMessage: "slow" },
        { asType: "tool" },
      );
      tool.startObservation("inner", { output: "10:00" }, { asType: "retriever" }).end();
      pass(20);
      tool.end();
      startObservation("beep", { input: "🔔" }, { asType: "event" });
      await answer("Why?");
      await expect(
        observe(
          async () => {
            throw new TypeError("broken");
          },
          { name: "fails" },
        )(),
      ).rejects.toThrow("broken");
    });
    root.update({ output: { done: true } });
  });
}

/** Runs the program through this processor, with the ids and times that every run has. */
async function trace(params: LangfuseSpanProcessorParams, flush: () => Promise<unknown>): Promise<void> {
  const processor = new LangfuseSpanProcessor({ environment: "test-1", release: "r1", ...params });
  const provider = new BasicTracerProvider({ idGenerator: countingIds(), spanProcessors: [processor] });
  setLangfuseTracerProvider(provider);
  try {
    let elapsedMs = 1_000;
    vi.useFakeTimers({ toFake: ["Date"], now: beginMs });
    const clock = vi.spyOn(performance, "now").mockImplementation(() => elapsedMs);
    await program((ms) => {
      elapsedMs += ms;
      vi.advanceTimersByTime(ms);
    });
    clock.mockRestore();
    vi.useRealTimers();
    await provider.forceFlush();
    await flush();
    await provider.shutdown();
  } finally {
    vi.restoreAllMocks();
    vi.useRealTimers();
    setLangfuseTracerProvider(null);
  }
}

const byId = (spans: StoredSpan[]): StoredSpan[] => spans.toSorted((a, b) => a.id.localeCompare(b.id));

/** As they are stored, but for what protobuf does not write: a count of nothing, and flags, which nobody reads. */
function comparable({ events, links, ...span }: StoredSpan): unknown {
  return {
    ...span,
    events: (events as object[]).map((event) => ({ droppedAttributesCount: 0, ...event, attributes: said(event) })),
    links: (links as object[]).map(({ flags: _notRead, ...link }: { flags?: number }) => ({
      droppedAttributesCount: 0,
      ...link,
      attributes: said(link),
    })),
  };
}

/** An integer 0 goes as a double, which Langfuse reads rightly (src/export/attribute-values.ts). */
function said(part: { attributes?: unknown }): unknown {
  return JSON.parse(JSON.stringify(part.attributes).replaceAll('"doubleValue":0}', '"intValue":0}')) as unknown;
}

/** Langfuse for media: everything is there already. The uploads that were asked for. */
async function mediaServer(): Promise<{ url: string; asked: Record<string, unknown>[] }> {
  const asked: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push({ path: request.url, ...(JSON.parse(body) as object) });
      response.writeHead(201, { "content-type": "application/json" });
      response.end(JSON.stringify({ mediaId: "there", uploadUrl: null }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const mask = ({ data }: { data: unknown }): unknown => String(data).replaceAll(/token_\w+/g, "[masked]");

/** What is stored of the program through `@langfuse/otel` alone. Media go by the same route, so they are left out. */
async function alone(server: StandIn): Promise<StoredSpan[]> {
  await trace({ ...keys, baseUrl: server.url, mask, mediaUploadEnabled: false }, async () => undefined);
  return byId(server.spans());
}

test.each(["batched", "immediate"] as const)("the same spans are stored, field by field (%s)", async (exportMode) => {
  const theirs = await alone(await standIn());
  const server = await standIn();
  const exporter = new BufferedSpanExporter(bufferFor(server.url, { media: false }));
  const settings = { exporter, exportMode, mask, mediaUploadEnabled: false };
  await trace(settings, () => exporter.forceFlush());
  const ours = byId(server.spans());
  expect(new Set(theirs.map(({ name }) => name))).toEqual(
    new Set(["answer", "beep", "call", "fails", "inner", "llm", "look up"]),
  );
  expect(ours.map(comparable)).toEqual(theirs.map(comparable));
  expect(ours.find(({ name }) => name === "llm")).toMatchObject({
    type: "GENERATION",
    userId: "ada",
    sessionId: "session-1",
    tags: ["a", "b"],
    environment: "test-1",
    promptVersion: 3,
    output: { content: "Zehn. [masked]" },
  });
  expect(JSON.stringify(ours)).not.toMatch(/token_/);
});

test("with media: the upload is theirs, and the span that is stored refers to it", async () => {
  const server = await standIn();
  const media = await mediaServer();
  const exporter = new BufferedSpanExporter(bufferFor(server.url));
  await trace({ ...keys, baseUrl: media.url, exporter, mask }, () => exporter.forceFlush());
  const root = server.spans().find(({ name }) => name === "call");
  expect(JSON.stringify(root?.input)).toMatch(/@@@langfuseMedia:type=image\/png\|id=[^|]+\|source=base64_data_uri@@@/);
  expect(JSON.stringify(server.spans())).not.toContain("iVBORw0KGgo");
  expect(media.asked).toMatchObject([{ path: "/api/public/media", field: "input", contentType: "image/png" }]);
});

test("our processor beside theirs: `@langfuse/tracing` without `@langfuse/otel`", async () => {
  const server = await standIn();
  const processor = new BufferedSpanProcessor(bufferFor(server.url, { environment: "test-1" }));
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  setLangfuseTracerProvider(provider);
  onTestFinished(() => setLangfuseTracerProvider(null));
  await program(() => undefined);
  await provider.forceFlush();
  expect(server.spans().find(({ name }) => name === "llm")).toMatchObject({
    type: "GENERATION",
    environment: "test-1",
  });
  await provider.shutdown();
});
