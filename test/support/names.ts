import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./temporary-directory.ts";

const nameService = new URL("../programs/with-name-service.ts", import.meta.url).href;

/** What a process needs to look names up in a file of the test's. */
export function namesOf(names: Record<string, string[]>): {
  env: Record<string, string>;
  set(names: Record<string, string[]>): void;
} {
  const file = join(temporaryDirectory(), "names.json");
  const set = (names_: Record<string, string[]>): void => writeFileSync(file, JSON.stringify(names_));
  set(names);
  return { env: { NAMES_FILE: file, NODE_OPTIONS: `--import "${nameService}"` }, set };
}
