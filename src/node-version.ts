/**
 * Imported before everything else: on a Node that is too old the SQLite driver would kill the process without a word.
 */
import process from "node:process";

/** 22.18 is the first release of the 22 line that also runs TypeScript sources, which the repository's own tools need. */
const required = { major: 22, minor: 18 };

const message = nodeComplaint(process.versions.node);
if (message !== undefined) {
  // A stack trace would bury the one line that helps.
  const error = new Error(message);
  error.stack = message;
  throw error;
}

/** What is wrong with a version of Node (`22.18.0`), and what to do; undefined: it will do. */
export function nodeComplaint(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > required.major || (major === required.major && minor >= required.minor)) return undefined;
  return `langfuse-span-buffer needs Node ${required.major}.${required.minor} or newer, this is Node ${version}: install a current Node (24 is the long-term release) and start again`;
}
