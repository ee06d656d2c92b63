/** Metrics by OpenTelemetry's semantic names: from the buffer's own figures, wherever the provider comes from. */
import { metrics } from "@opentelemetry/api";
import { type CollectionResult, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SpanBuffer } from "../../src/index.ts";
import { BufferedSpanExporter, BufferedSpanProcessor } from "../../src/otel/index.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { finishedSpans } from "./providers.ts";

class ManualReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  /** `name` or `name error.type` → value, of one component. */
  async figures(component: string): Promise<Record<string, number>> {
    const { resourceMetrics }: CollectionResult = await this.collect();
    const points = resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .flatMap(({ descriptor, dataPoints }) => dataPoints.map((point) => ({ name: descriptor.name, ...point })));
    return Object.fromEntries(
      points
        .filter(({ attributes }) => attributes["otel.component.type"] === component)
        .map(({ name, attributes, value }) => {
          const cause = attributes["error.type"];
          return [cause === undefined ? name : `${name} ${String(cause)}`, value as number];
        }),
    );
  }
}

function meterProvider(): { provider: MeterProvider; reader: ManualReader } {
  const reader = new ManualReader();
  return { provider: new MeterProvider({ readers: [reader] }), reader };
}

afterEach(() => metrics.disable());

const processed = "otel.sdk.processor.span.processed";
const queue = "otel.sdk.processor.span.queue.size";
const inflight = "otel.sdk.exporter.span.inflight";
const exported = "otel.sdk.exporter.span.exported";

describe("figures", () => {
  test("follow the spans: waiting, delivered, refused by the server, dropped here", async () => {
    const server = await standIn();
    const { provider, reader } = meterProvider();
    const buffer = bufferFor(server.url, { flushInterval: 60 });
    const processor = new BufferedSpanProcessor(buffer, { meterProvider: provider });
    const figures = (): Promise<Record<string, number>> => reader.figures("BufferedSpanProcessor");
    expect(await figures()).toEqual({ [processed]: 0, [queue]: 0, [inflight]: 0, [exported]: 0 });
    for (const span of finishedSpans(["a", "b", "c"])) processor.onEnd(span);
    expect(await figures()).toEqual({ [processed]: 3, [queue]: 3, [inflight]: 3, [exported]: 0 });
    await processor.forceFlush();
    expect(await figures()).toEqual({ [processed]: 3, [queue]: 0, [inflight]: 0, [exported]: 3 });
    processor.onEnd({} as never);
    await processor.forceFlush();
    expect(await figures()).toMatchObject({ [exported]: 3, [`${exported} dead-lettered`]: 1 });
    await buffer.shutdown();
    for (const span of finishedSpans(["late"])) processor.onEnd(span);
    expect(await figures()).toMatchObject({ [processed]: 4, [`${processed} shut-down`]: 1 });
  });

  test("of an exporter are the exporter's alone: the processor before it speaks for itself", async () => {
    const { provider, reader } = meterProvider();
    const exporter = new BufferedSpanExporter({ enabled: false }, { meterProvider: provider });
    expect(await reader.figures("BufferedSpanExporter")).toEqual({ [inflight]: 0, [exported]: 0 });
    await exporter.shutdown();
  });
});

describe("the provider", () => {
  test("is the global one when there is one, though it be registered later", async () => {
    const { provider, reader } = meterProvider();
    const buffer = bufferFor("http://127.0.0.1:9");
    const processor = new BufferedSpanProcessor(buffer);
    for (const span of finishedSpans(["a", "b", "c"])) processor.onEnd(span);
    metrics.setGlobalMeterProvider(provider);
    for (const span of finishedSpans(["d"])) processor.onEnd(span);
    expect(await reader.figures("BufferedSpanProcessor")).toMatchObject({ [processed]: 4 });
  });

  test("that throws does no harm", async () => {
    const provider = {
      getMeter() {
        throw new Error("no meter");
      },
    };
    const processor = new BufferedSpanProcessor({ enabled: false }, { meterProvider: provider });
    for (const span of finishedSpans(["a"])) processor.onEnd(span);
    await processor.shutdown();
  });

  test("asks no more after shutdown", async () => {
    const { provider, reader } = meterProvider();
    const buffer = new SpanBuffer({ enabled: false });
    const asked = vi.spyOn(buffer, "stats");
    const processor = new BufferedSpanProcessor(buffer, { meterProvider: provider });
    await reader.collect();
    expect(asked).toHaveBeenCalledTimes(1);
    await processor.shutdown();
    await reader.collect();
    expect(asked).toHaveBeenCalledTimes(1);
  });
});
