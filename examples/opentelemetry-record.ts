// A finished span that came from somewhere else, in OpenTelemetry's terms. Run: node examples/opentelemetry-record.ts
import { SpanBuffer } from "langfuse-span-buffer";

const buffer = new SpanBuffer();
const nowNanos = BigInt(Date.now()) * 1_000_000n;

const isKept = buffer.enqueue({
  traceId: "5b8efff798038103d269b633813fc60c",
  spanId: "d000000000000001",
  name: "llm",
  startTimeUnixNano: nowNanos - 900_000_000n,
  endTimeUnixNano: nowNanos,
  attributes: {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.usage.input_tokens": 60,
    "gen_ai.usage.output_tokens": 9,
    "user.id": "user-1",
    input: '[{"role":"user","content":"Hi, weather in Oslo?"}]',
    output: "It is nice and 12 degrees.",
  },
  resource: { attributes: { "service.name": "bridge" } },
});

const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(isKept ? `kept; ${pending} in the journal` : "dropped, see stats().dropped");
