/**
 * Imported before everything else: on a Node that is too old the SQLite driver would kill the process without a word.
 */
import process from "node:process";

/** 22.18 is the first release of the 22 line that also runs TypeScript sources, which the repository's own tools need. */
const required = { major: 22, minor: 18 };

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < required.major || (major === required.major && minor < required.minor)) {
  const message = `langfuse-span-buffer needs Node ${required.major}.${required.minor} or newer, this is Node ${process.versions.node}: install a current Node (24 is the long-term release) and start again`;
  // A stack trace would bury the one line that helps.
  const error = new Error(message);
  error.stack = message;
  throw error;
}
