/**
 * One conversation with a voice bot, as Pipecat traces it: conversation → turn → stt, llm (prompt processing and
 * inference under it), tts. Times are a tenth of a real conversation's, so that a minute shows a lot of them.
 */
import type { BufferedSpan, SpanBuffer, StartSpanOptions } from "../../index.ts";

export interface ConversationOptions {
  buffer: SpanBuffer;
  number: number;
  turns: number;
  /** Ends a span, and keeps the record that the account is made of. */
  end: (span: BufferedSpan) => void;
  /** Asked between the turns. */
  isOver: () => boolean;
}

const questions = [
  "Hi, what is the weather like in Oslo today?",
  "And tomorrow? I would like to take the ferry to Nesodden.",
  "Please book a table for four at seven, by the window if there is one.",
  "How long does it take from the central station?",
  "Thanks, that is all. Goodbye!",
];

const answers = [
  "It is twelve degrees and sunny in Oslo, with a light breeze from the south.",
  "Tomorrow stays dry. The ferry leaves every thirty minutes and takes twenty-three.",
  "I have booked a table for four at seven. The window is yours.",
  "Walking takes about fifteen minutes; tram twelve takes six.",
  "You are welcome. Have a lovely day!",
];

const systemPrompt =
  "You are a helpful voice assistant of a travel agency in Oslo. Answer in one or two short sentences that sound well " +
  "when spoken. Ask back when a date, a time or a number of people is missing. Never read out links.";

interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export async function runConversation(options: ConversationOptions): Promise<void> {
  const { buffer, number, turns, end, isOver } = options;
  const root = buffer.startSpan("conversation", {
    type: "agent",
    sessionId: `demo-session-${number}`,
    userId: `user-${number % 7}`,
    traceName: "voice-conversation",
    tags: ["voice-agent", "demo"],
    metadata: { "conversation.type": "voice" },
  });
  const history: Message[] = [{ role: "system", content: systemPrompt }];
  await sleep(Math.random() * 300);
  for (let turn = 0; turn < turns && !isOver(); turn++) await runTurn(root, turn, history, end);
  root.update({ output: history.at(-1)?.content });
  end(root);
}

async function runTurn(
  root: BufferedSpan,
  turn: number,
  history: Message[],
  end: (span: BufferedSpan) => void,
): Promise<void> {
  const question = questions[turn % questions.length] as string;
  const answer = answers[turn % answers.length] as string;
  const span = root.startSpan("turn", { type: "chain", input: question, metadata: { "turn.number": turn + 1 } });

  const stt = span.startSpan("stt", generation("nova-3-general", { language: "en", vad_enabled: false }));
  await sleep(60 + Math.random() * 60);
  end(stt.update({ output: question, usageDetails: { audio_seconds: 2 } }));

  history.push({ role: "user", content: question });
  const llm = span.startSpan("llm", {
    ...generation("gpt-4.1", { temperature: 0.7, stream: true }),
    input: [...history],
  });
  const prompt = llm.startSpan("prompt-processing", { metadata: { messages: history.length } });
  await sleep(20 + Math.random() * 30);
  end(prompt);
  const inference = llm.startSpan("inference");
  const completionStartTime = new Date();
  await sleep(60 + Math.random() * 80);
  end(inference);
  history.push({ role: "assistant", content: answer });
  const input = 40 + 12 * history.length;
  end(llm.update({ output: answer, completionStartTime, usageDetails: { input, output: 18, total: input + 18 } }));

  const tts = span.startSpan("tts", { ...generation("sonic-3", { voice_id: "71a7ad14" }), input: answer });
  await sleep(80 + Math.random() * 80);
  end(tts.update({ usageDetails: { characters: answer.length } }));
  end(span.update({ output: answer, metadata: { "turn.was_interrupted": false } }));
}

function generation(model: string, modelParameters: Record<string, unknown>): StartSpanOptions {
  return { type: "generation", model, modelParameters };
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
