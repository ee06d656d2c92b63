// A voice bot's turn, traced by hand. Run: node examples/voice-bot.ts
// Without LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY the spans wait in the journal, and a warning says so.
import { SpanBuffer } from "langfuse-span-buffer";

const buffer = new SpanBuffer({ environment: "example", serviceName: "voice-bot" });

const conversation = buffer.startSpan("conversation", {
  type: "agent",
  sessionId: "call-4711",
  userId: "user-1",
  tags: ["voice-agent"],
});
const turn = conversation.startSpan("turn", { type: "chain", input: "What is the weather in Oslo?" });

const stt = turn.startSpan("stt", { type: "generation", model: "nova-3-general" });
stt.update({ output: "What is the weather in Oslo?", usageDetails: { audio_seconds: 2 } }).end();

const llm = turn.startSpan("llm", {
  type: "generation",
  model: "gpt-4.1",
  input: [{ role: "user", content: "What is the weather in Oslo?" }],
});
llm.update({ output: "Twelve degrees and sunny.", usageDetails: { input: 60, output: 9 } }).end();

turn.update({ output: "Twelve degrees and sunny." }).end();
conversation.end();

// A service never needs this line before its own end; a script waits here until everything is delivered.
const { acknowledged, pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(`${acknowledged} spans delivered, ${pending} in the journal`);
