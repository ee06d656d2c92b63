// Functions that are traced by wrapping them: spans hang under each other by themselves, a streamed answer becomes one span
// with its text and the time of its first token. Run: node examples/observe.ts
import { setTimeout as pause } from "node:timers/promises";
import { SpanBuffer } from "langfuse-span-buffer";

const buffer = new SpanBuffer({ serviceName: "voice-bot" });

const recognise = buffer.observe(
  async (audio: Uint8Array) => {
    await pause(10);
    return `a question of ${audio.length} bytes`;
  },
  { name: "stt", type: "generation", captureInput: false },
);

const answer = buffer.observe(
  async function* (question: string) {
    for (const word of ["You ", "asked: ", question]) {
      await pause(5);
      yield word;
    }
  },
  { name: "llm", type: "generation" },
);

const speak = buffer.observe((text: string) => text.length, { name: "tts", type: "generation" });

const turn = buffer.observe(
  async (audio: Uint8Array) => {
    const question = await recognise(audio);
    let text = "";
    for await (const word of answer(question)) text += word;
    speak(text);
    return text;
  },
  { name: "turn", type: "chain", captureInput: false },
);

await buffer.startActiveSpan("conversation", { type: "agent", sessionId: "call-4711", userId: "user-1" }, async () => {
  console.log(await turn(new Uint8Array(320)));
});

const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(`${pending} in the journal`);
