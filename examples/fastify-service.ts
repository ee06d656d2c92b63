// A service that joins its caller's trace by the header `traceparent` (W3C Trace Context), and asks itself once to show it.
// Run: node examples/fastify-service.ts
import Fastify from "fastify";
import { type BufferedSpan, SpanBuffer } from "langfuse-span-buffer";

declare module "fastify" {
  interface FastifyRequest {
    span: BufferedSpan;
  }
}

const buffer = new SpanBuffer({ serviceName: "answers" });
const app = Fastify();

const traceparent = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;

app.addHook("onRequest", async (request) => {
  const [, traceId, parentSpanId] = traceparent.exec(String(request.headers["traceparent"])) ?? [];
  const joined = traceId !== undefined && parentSpanId !== undefined ? { traceId, parentSpanId } : {};
  request.span = buffer.startSpan(`${request.method} ${request.routeOptions.url ?? "?"}`, joined);
});
app.addHook("onError", async (request, _reply, error) => {
  request.span.recordException(error);
  request.span.setStatus({ code: "error", message: error.message });
});
app.addHook("onResponse", async (request, reply) => {
  request.span.setAttribute("http.response.status_code", reply.statusCode).end();
});

app.post<{ Body: { question: string } }>("/answer", async (request) => {
  const { question } = request.body;
  const llm = request.span.startSpan("llm", { type: "generation", model: "gpt-4.1", input: question });
  const answer = `You asked: ${question}`;
  llm.update({ output: answer }).end();
  return { answer };
});

const url = await app.listen({ port: 0, host: "127.0.0.1" });

// The caller: in life another service, with a tracer of its own.
const call = buffer.startSpan("call", { sessionId: "call-4711" });
await fetch(`${url}/answer`, {
  method: "POST",
  headers: { "content-type": "application/json", traceparent: `00-${call.traceId}-${call.spanId}-01` },
  body: JSON.stringify({ question: "What is the weather in Oslo?" }),
});
call.end();

await app.close();
const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(`${pending} in the journal`);
