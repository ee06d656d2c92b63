/**
 * Makes the spans that every subject is given. Each has its own ids, times and text, so that nothing in a library, in
 * V8 or in a cache line can answer for a second one. Making them is measured for nobody.
 *
 * | kind | UTF-8 bytes of its `SpanRecord` as JSON |
 * |---|---|
 * | `llm` | 1,200: two messages and an answer, ASCII |
 * | `stt` | 300: a transcript, ASCII |
 * | `history` | 20,000: forty messages and an answer, ASCII |
 * | `unicode` | 1,200: as `llm`, of CJK text and emoji |
 */
import { type ChatMessage, recordOf, type SpanContent, type SpanKind, spanMarker } from "./span.ts";

interface Shape {
  bytes: number;
  isGeneration: boolean;
  /** Bytes of each input message's text; the answer takes what is left. */
  messageBytes: readonly number[];
  words: readonly string[];
}

const asciiWords =
  "agent answer appointment balance because booking bot caller calendar confirm connection customer delivery doctor evening flight friday hello invoice later moment monday morning number office order payment please question reason refund repeat schedule second service shipment sorry station system thank ticket today tomorrow train transfer understand voice weather week yesterday".split(
    " ",
  );
const unicodeWords =
  "预约 航班 客服 您好 谢谢 今天 明天 订单 付款 确认 予約 電話 天気 了解しました お待ちください 📞 🙂 ✈️ 📅 🎧 예약 감사합니다".split(
    " ",
  );

const shapes: Readonly<Record<SpanKind, Shape>> = {
  llm: { bytes: 1_200, isGeneration: true, messageBytes: [200, 90], words: asciiWords },
  stt: { bytes: 300, isGeneration: false, messageBytes: [], words: asciiWords },
  history: { bytes: 20_000, isGeneration: true, messageBytes: Array(40).fill(440), words: asciiWords },
  unicode: { bytes: 1_200, isGeneration: true, messageBytes: [200, 90], words: unicodeWords },
};

/** The largest span's bytes. */
export const mostSpanBytes: number = Math.max(...Object.values(shapes).map(({ bytes }) => bytes));

/**
 * Makes `count` spans, numbered from `firstNumber` (below 100,000,000).
 *
 * @param seed the same seed makes the same ones.
 */
export function makeContents(kind: SpanKind, count: number, seed: number, firstNumber = 0): SpanContent[] {
  const random = randomSource(seed);
  return Array.from({ length: count }, (_, index) => makeContent(shapes[kind], firstNumber + index, random));
}

function makeContent(shape: Shape, number: number, random: () => number): SpanContent {
  const startMs = 1_790_000_000_000 + number * 7;
  const mark = `${spanMarker}${String(number).padStart(8, "0")}] `;
  const content: SpanContent = {
    type: shape.isGeneration ? "generation" : "span",
    traceId: hex(32, random),
    spanId: hex(16, random),
    parentSpanId: hex(16, random),
    name: shape.isGeneration ? "llm" : "stt",
    startTime: new Date(startMs),
    endTime: new Date(startMs + 200 + Math.floor(random() * 800)),
    output: shape.isGeneration ? { role: "assistant", content: "" } : mark,
    generation: shape.isGeneration ? generationFields(shape, number, mark, random) : undefined,
  };
  const room = shape.bytes - Buffer.byteLength(JSON.stringify(recordOf(content)));
  if (typeof content.output === "string") content.output = flat(mark + text(room, shape.words, random));
  else content.output.content = text(room, shape.words, random);
  return content;
}

function generationFields(
  { messageBytes, words }: Shape,
  number: number,
  mark: string,
  random: () => number,
): SpanContent["generation"] {
  const input = 100 + Math.floor(random() * 900);
  const output = 10 + Math.floor(random() * 90);
  return {
    model: "bench-4.1-mini",
    modelParameters: { temperature: 0.7, max_tokens: 256 },
    usageDetails: { input, output, total: input + output },
    input: messageBytes.map((bytes, index): ChatMessage => {
      const role = index === 0 ? "system" : index % 2 === 1 ? "user" : "assistant";
      // The number is in the second message: the first is a prompt, which is the same in real life.
      const content = index === 1 ? flat(mark + text(bytes - mark.length, words, random)) : text(bytes, words, random);
      return { role, content };
    }),
    metadata: {
      ttfbMs: 100 + Math.floor(random() * 400),
      turn: number % 40,
      session: `call-${hex(12, random)}`,
      user: `user-${hex(8, random)}`,
    },
  };
}

/** Words of so many UTF-8 bytes together. */
function text(bytes: number, words: readonly string[], random: () => number): string {
  let result = "";
  let left = bytes;
  while (left > 0) {
    const word = words[Math.floor(random() * words.length)] as string;
    const wordBytes = Buffer.byteLength(word);
    // Whole characters only: what is left at the end is cut from ASCII, or spaces.
    const isAscii = wordBytes === word.length;
    const piece = wordBytes < left ? `${word} ` : isAscii ? word.slice(0, left) : " ".repeat(left);
    result += piece;
    left -= Buffer.byteLength(piece);
  }
  return flat(result);
}

function hex(digits: number, random: () => number): string {
  let result = "";
  while (result.length < digits) {
    result += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
  return flat(result.slice(0, digits));
}

/** A text made of pieces is flattened, as one that came from a network is. */
function flat(pieces: string): string {
  return Buffer.from(pieces).toString();
}

/** Mulberry32: good enough for text, and the same on every machine. */
function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
