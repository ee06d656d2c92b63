// To be imported before a producer: its buffer gets the pump of killing-pump.ts.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const ours = new URL("../../src/thread-files.ts", import.meta.url).href;
const pump = new URL("./killing-pump.ts", import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== ours) return loaded;
    return { ...loaded, source: `${readFileSync(new URL(ours), "utf8")}\npumpUrl.href = ${JSON.stringify(pump)};\n` };
  },
});
