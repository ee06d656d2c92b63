import { readFileSync, statSync } from "node:fs";
import process from "node:process";

/** The text of a file that holds secrets, and a warning when others than its owner may read it. */
export function readPrivateFile(path: string, what: string): { text: string; warning: string | undefined } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${what} ${path} cannot be read: ${reasons[code ?? ""] ?? message}`, { cause: error });
  }
  // Windows has no such bits.
  const isOpen = process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0;
  const warning = `${what} ${path} can be read by others than its owner: chmod 600 it`;
  return { text, warning: isOpen ? warning : undefined };
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
};
