import { optionTable } from "../option-table.ts";
import { resolveOptions } from "../options.ts";

/** What says where a user's programs keep their state, beside our own variable. */
const stateVariables = ["XDG_STATE_HOME", "LOCALAPPDATA"];

/** The journals' directory as a buffer would find it; other variables may be wrong without any harm. */
export function directoryOf(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  const names = [...(optionTable.directory.env ?? []), ...stateVariables];
  const directory = flag === undefined || flag === "" ? {} : { directory: flag };
  return resolveOptions(directory, Object.fromEntries(names.map((name) => [name, env[name]]))).directory;
}
