/** The same tracer without a processor: what OpenTelemetry's span itself costs, whoever takes it. */
import { type OtelInput, otelTracer } from "../otel-tracer.ts";
import type { PrepareSubject } from "../subject.ts";

export const prepare: PrepareSubject<OtelInput> = () => otelTracer([]);
