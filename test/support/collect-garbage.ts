import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** All of it, at once; the process need not have been started for it. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
