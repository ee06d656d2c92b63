/** What a chunk of a streamed answer adds to its text, by the shape of the chunk. */

type Chunk = Record<string, unknown>;

interface Shape {
  /** Whose chunks look so. */
  of: string;
  matches: (chunk: Chunk) => boolean;
  text: (chunk: Chunk) => unknown;
}

const shapes: readonly Shape[] = [
  {
    of: "OpenAI's chat completions, and all who copy them",
    matches: ({ choices }) => Array.isArray(choices),
    text: ({ choices }) => (choices as { delta?: { content?: unknown }; text?: unknown }[])[0]?.delta?.content,
  },
  {
    of: "OpenAI's responses",
    matches: ({ type }) => typeof type === "string" && type.startsWith("response."),
    text: ({ type, delta }) => (type === "response.output_text.delta" ? delta : undefined),
  },
  {
    of: "Anthropic's messages",
    matches: ({ type }) => typeof type === "string" && /^(message|content_block)_|^ping$/.test(type),
    text: ({ delta }) => (delta as { text?: unknown } | undefined)?.text,
  },
  {
    of: "the Vercel AI SDK's parts",
    matches: ({ type }) => typeof type === "string" && /^(text|reasoning|tool|start|finish|step)(-|$)/.test(type),
    text: ({ type, text, textDelta, delta }) => (type === "text-delta" ? (text ?? textDelta ?? delta) : undefined),
  },
  {
    of: "Gemini, Cohere and others",
    matches: ({ text }) => typeof text === "string",
    text: ({ text }) => text,
  },
  {
    of: "LangChain's message chunks",
    matches: ({ content }) => typeof content === "string",
    text: ({ content }) => content,
  },
];

/** Undefined: the chunk is of no known shape. Empty: it brings no text. May throw what the chunk's getters throw. */
export function chunkText(chunk: unknown): string | undefined {
  if (typeof chunk === "string") return chunk;
  if (typeof chunk !== "object" || chunk === null) return undefined;
  const shape = shapes.find(({ matches }) => matches(chunk as Chunk));
  if (shape === undefined) return undefined;
  const text = shape.text(chunk as Chunk);
  return typeof text === "string" ? text : "";
}
