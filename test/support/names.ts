import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "./temporary-directory.ts";

const nameService = fileURLToPath(new URL("../programs/name-service.ts", import.meta.url));

/** What a process needs to look names up in a file of the test's. */
export function namesOf(names: Record<string, string[]>): {
  env: Record<string, string>;
  set(names: Record<string, string[]>): void;
} {
  const file = join(temporaryDirectory(), "names.json");
  const set = (names_: Record<string, string[]>): void => writeFileSync(file, JSON.stringify(names_));
  set(names);
  // Threads that are started without the process's own arguments heed this one.
  return { env: { NAMES_FILE: file, NODE_OPTIONS: `--require "${nameService}"` }, set };
}
