// A voice bot whose methods are traced by decorators. Node does not run decorators yet, so this is compiled first:
// npx esbuild examples/decorators.ts --bundle --packages=external --platform=node --format=esm --target=node22 --outfile=decorators.mjs
// and node decorators.mjs. TypeScript's compiler does as well.
import { observed, SpanBuffer } from "langfuse-span-buffer";

// The first buffer of a process is the one that `observed` uses.
const buffer = new SpanBuffer({ serviceName: "voice-bot" });

class Bot {
  @observed({ name: "stt", type: "generation", captureInput: false })
  async recognise(audio: Uint8Array): Promise<string> {
    return `a question of ${audio.length} bytes`;
  }

  @observed({ name: "llm", type: "generation" })
  async *answer(question: string): AsyncGenerator<string> {
    yield* ["You ", "asked: ", question];
  }

  @observed({ type: "chain", captureInput: false })
  async turn(audio: Uint8Array): Promise<string> {
    let text = "";
    for await (const word of this.answer(await this.recognise(audio))) text += word;
    return text;
  }
}

const bot = new Bot();
await buffer.startActiveSpan("conversation", { type: "agent", sessionId: "call-4711" }, async () => {
  console.log(await bot.turn(new Uint8Array(320)));
});

const { pending } = await buffer.shutdown({ timeoutMs: 20_000 });
console.log(`${pending} in the journal`);
