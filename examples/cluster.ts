// A cluster: every process has a buffer of its own, in the same directory. Each writes a journal of its own there, and
// what one leaves at its end, the others deliver. Run: node examples/cluster.ts
import cluster from "node:cluster";
import { once } from "node:events";
import { SpanBuffer } from "langfuse-span-buffer";

const workers = 2;

if (cluster.isPrimary) {
  const ends = Array.from({ length: workers }, () => once(cluster.fork(), "exit"));
  const codes = (await Promise.all(ends)).map(([code]) => code as number);
  console.log(codes.every((code) => code === 0) ? "all workers have ended well" : `exit codes ${codes.join(", ")}`);
} else {
  const buffer = new SpanBuffer({ serviceName: `bot-${cluster.worker?.id}` });
  for (let call = 1; call <= 10; call++) {
    const conversation = buffer.startSpan("conversation", { sessionId: `worker-${process.pid}-call-${call}` });
    conversation.startSpan("llm", { type: "generation", model: "gpt-4.1", input: "Hi!", output: "Hello!" }).end();
    conversation.end();
  }
  const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
  console.log(`worker ${cluster.worker?.id}: ${pending} in the journal`);
  cluster.worker?.disconnect();
}
