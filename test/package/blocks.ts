/**
 * The fenced blocks of a Markdown page, each with the mark before it: an HTML comment, which readers do not see.
 *
 * | mark | what is done with the block |
 * |---|---|
 * | none | it is run, and must end with 0 |
 * | `<!-- fragment: why -->` | it cannot run, for that reason: its syntax is checked |
 * | `<!-- service -->` | it is run until it says where it listens, and stopped |
 * | `<!-- file: name -->` | it is saved under that name, for a later block of the page that runs it |
 *
 * Blocks without a language are pictures and outputs, and are left alone.
 */
export interface Block {
  page: string;
  /** Of its first line of code, from 1. */
  line: number;
  language: string;
  code: string;
  mark: Mark;
}

export type Mark =
  | { kind: "run" }
  | { kind: "service" }
  | { kind: "fragment"; reason: string }
  | { kind: "file"; name: string };

const fence = /^(?<indent> *)```(?<language>[a-z]*)\n(?<code>[\s\S]*?)\n?^ *```$/gm;
const lastComment = /<!-- (?<kind>[a-z]+)(?:: (?<text>[^\n]+?))? -->\s*$/;

/** @throws Error for a mark that is none of these, or a fragment without a reason. */
export function blocksOf(page: string, text: string): Block[] {
  return Array.from(text.matchAll(fence), (match) => {
    const { indent = "", language = "", code = "" } = match.groups ?? {};
    const before = text.slice(0, match.index);
    const line = before.split("\n").length + 1;
    return {
      page,
      line,
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      mark: markBefore(before, `${page}:${line}`),
    };
  });
}

function markBefore(text: string, place: string): Mark {
  const { kind, text: words } = lastComment.exec(text)?.groups ?? {};
  if (kind === undefined) return { kind: "run" };
  if (kind === "service") return { kind };
  if (kind === "fragment" && words !== undefined) return { kind, reason: words };
  if (kind === "file" && words !== undefined) return { kind, name: words };
  throw new Error(`${place}: "${kind}" is no mark, or it lacks its text (test/package/blocks.ts lists them)`);
}

/** What a reader puts in the place of what a page cannot know. */
export function filledIn(code: string, langfuseUrl: string): string {
  return code
    .replaceAll(/\b(pk|sk)-lf-(?!stand-in)[\w…]*/g, "$1-lf-stand-in")
    .replaceAll(/https:\/\/[a-z.]*langfuse\.(?:com|example)\b/g, langfuseUrl)
    .replaceAll(/(--(?:control-)?port) \d+/g, "$1 0");
}
