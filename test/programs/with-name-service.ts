// To be imported before a program (NODE_OPTIONS=--import): name-service.ts, in its own thread and, by task-with-names.ts,
// in the export threads of its buffers, which nothing is preloaded into.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import "./name-service.ts";

const ours = new URL("../../src/thread-files.ts", import.meta.url).href;
const task = new URL("./task-with-names.ts", import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== ours) return loaded;
    return {
      ...loaded,
      source: `${readFileSync(new URL(ours), "utf8")}\nexportTaskUrl.href = ${JSON.stringify(task)};\n`,
    };
  },
});
