/**
 * System instructions as the first message of the input, where Langfuse shows a prompt and where its own converter puts
 * them. It does so only for message lists under OpenTelemetry's names; beside Pipecat's `input` it drops them.
 *
 * The list is a JSON text that grows with the conversation: it is spliced, never parsed.
 */

const emptyList = /^\s*\[\s*\]\s*$/;
const opening = /^\s*\[/;
/** A list that begins with a message of the system, up to its content. */
const systemFirst = /^\s*\[\s*\{\s*"role"\s*:\s*"(?:system|developer)"\s*,\s*"content"\s*:\s*/;

/**
 * @param input the span's message list, or whatever it says instead.
 * @returns the input with the instructions; undefined: it holds them already.
 */
export function withInstructions(instructions: string, input: string | undefined): string | undefined {
  const message = JSON.stringify({ role: "system", content: instructions });
  if (input === undefined || emptyList.test(input)) return `[${message}]`;
  if (!opening.test(input) || !input.trimEnd().endsWith("]")) {
    return `[${message},${JSON.stringify({ role: "user", content: input })}]`;
  }
  const first = systemFirst.exec(input)?.[0].length;
  if (first !== undefined && isAt(input, first, instructions)) return undefined;
  return input.replace(opening, () => `[${message},`);
}

/** Does the text stand there as JSON? Python writes all but ASCII as escapes. */
function isAt(input: string, start: number, text: string): boolean {
  const json = JSON.stringify(text);
  return input.startsWith(json, start) || input.startsWith(inAscii(json), start);
}

function inAscii(json: string): string {
  return json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
