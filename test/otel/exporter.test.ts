/**
 * What OpenTelemetry JS and the specification expect of an exporter, asked of ours, by itself and behind OpenTelemetry's
 * own processors.
 */
import {
  BatchSpanProcessor,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import { describe, expect, test } from "vitest";
import { BufferedSpanExporter } from "../../src/otel/index.ts";
import { bufferFor, missingFromAccount, standIn } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { finishedSpans, providerWith, recordOnly } from "./providers.ts";

const nobody = "http://127.0.0.1:9";
type Result = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

function exported(exporter: BufferedSpanExporter, spans: ReadableSpan[]): Result[] {
  const results: Result[] = [];
  exporter.export(spans, (result) => void results.push(result));
  return results;
}

describe("export", () => {
  test("success is said once, when the buffer has the spans, be Langfuse there or not", async () => {
    const buffer = bufferFor(nobody);
    expect(exported(new BufferedSpanExporter(buffer), finishedSpans(["a", "b"]))).toEqual([{ code: 0 }]);
    expect(buffer.stats()).toMatchObject({ accepted: 2, pending: 2 });
  });

  test("an empty list is a success and no request", async () => {
    const server = await standIn();
    const exporter = new BufferedSpanExporter(bufferFor(server.url));
    expect(exported(exporter, [])).toEqual([{ code: 0 }]);
    await exporter.forceFlush();
    expect(server.account().requests).toBe(0);
  });

  test("it exports what it is given: to leave spans out is the processor's business", async () => {
    const buffer = bufferFor(nobody);
    exported(new BufferedSpanExporter(buffer), finishedSpans(["a"], { sampler: recordOnly }));
    expect(buffer.stats().accepted).toBe(1);
  });

  test("what the buffer could not take is a failure that says how many", async () => {
    const buffer = bufferFor(nobody);
    const exporter = new BufferedSpanExporter(buffer);
    await buffer.shutdown({ timeoutMs: 200 });
    const [result] = exported(exporter, finishedSpans(["a", "b"]));
    expect(result).toMatchObject({ code: 1, error: { message: "langfuse-span-buffer: 2 spans were dropped" } });
    expect(buffer.stats().dropped["shut-down"]).toBe(2);
  });

  test("a trace that is not in the sample, and tracing that is off, are no failure", async () => {
    const sampled = new BufferedSpanExporter(bufferFor(nobody, { sampleRate: 0 }));
    expect(exported(sampled, finishedSpans(["a"]))).toEqual([{ code: 0 }]);
    expect(exported(new BufferedSpanExporter({ enabled: false }), finishedSpans(["a"]))).toEqual([{ code: 0 }]);
  });

  test("after shutdown it fails, and takes nothing", async () => {
    const server = await standIn();
    const buffer = bufferFor(server.url);
    const exporter = new BufferedSpanExporter(buffer);
    exported(exporter, finishedSpans(["before"]));
    await exporter.shutdown();
    expect(server.account().spans).toBe(1);
    expect(exported(exporter, finishedSpans(["after"]))).toMatchObject([
      { code: 1, error: { message: expect.stringContaining("shut down") } },
    ]);
    expect(buffer.stats().accepted).toBe(1);
  });

  test("forceFlush resolves when Langfuse has the spans", async () => {
    const server = await standIn();
    const exporter = new BufferedSpanExporter(bufferFor(server.url, { flushInterval: 60 }));
    exported(exporter, finishedSpans(["a"]));
    await exporter.forceFlush();
    expect(server.account().spans).toBe(1);
  });
});

describe("behind OpenTelemetry's own processors", () => {
  test("batch: forceFlush of the provider means that the buffer has the spans, that of the exporter that Langfuse has", async () => {
    const server = await standIn();
    const buffer = bufferFor(server.url, { flushInterval: 60 });
    const exporter = new BufferedSpanExporter(buffer);
    const provider = providerWith(new BatchSpanProcessor(exporter));
    for (let index = 0; index < 1_000; index++) provider.getTracer("test").startSpan(`span-${index}`).end();
    await provider.forceFlush();
    expect(buffer.stats().accepted).toBe(1_000);
    await exporter.forceFlush();
    expect(server.account().spans).toBe(1_000);
    expect(missingFromAccount(buffer.stats())).toBe(0);
  });

  test("simple: a span is in the buffer at once, and forceFlush of the provider means that Langfuse has it", async () => {
    const server = await standIn();
    const buffer = bufferFor(server.url, { flushInterval: 60 });
    const provider = providerWith(new SimpleSpanProcessor(new BufferedSpanExporter(buffer)));
    provider.getTracer("test").startSpan("a").end();
    expect(buffer.stats().accepted).toBe(1);
    await provider.forceFlush();
    expect(server.account().spans).toBe(1);
  });

  test("shutdown of the provider ends a buffer of the exporter's own, with everything delivered", async () => {
    const server = await standIn();
    const exporter = new BufferedSpanExporter({
      baseUrl: server.url,
      publicKey: "pk-lf-stand-in",
      secretKey: "sk-lf-stand-in",
      directory: temporaryDirectory(),
      logger: { warn: () => undefined },
    });
    const provider = providerWith(new BatchSpanProcessor(exporter));
    provider.getTracer("test").startSpan("a").end();
    await provider.shutdown();
    expect(server.account().spans).toBe(1);
  });
});
