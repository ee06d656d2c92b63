/** The same tracer with this package's processor. */
import { BufferedSpanProcessor } from "../../src/otel/index.ts";
import { type OtelInput, otelTracer } from "../otel-tracer.ts";
import { benchKeys, type PrepareSubject } from "../subject.ts";

/** Longer than any trial waits: what is not delivered by then is seen at the sink. */
const flushTimeoutMs = 120_000;

export const prepare: PrepareSubject<OtelInput> = ({ baseUrl, directory, options }) =>
  otelTracer([new BufferedSpanProcessor({ ...benchKeys, baseUrl, directory, ...options }, { flushTimeoutMs })]);
