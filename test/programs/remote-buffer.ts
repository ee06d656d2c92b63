// A buffer in a process of its own, for what is decided when a process starts (certificates, names): it does what its
// parent says and tells what it sees. The other end is test/support/remote-buffer.ts.
import process from "node:process";
import { SpanBuffer, type SpanBufferOptions } from "../../src/index.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as SpanBufferOptions;
const log = (text: string): void => void process.send?.({ said: text });
const buffer = new SpanBuffer({ ...options, logger: { warn: log, info: log } });

process.on("message", (message: { end?: number; flush?: boolean }) => {
  for (let index = 0; index < (message.end ?? 0); index++) buffer.startSpan("remote", { input: { index } }).end();
  if (message.flush === true) void buffer.flush({ timeoutMs: 200 });
});
process.on("disconnect", () => process.exit());
setInterval(() => process.send?.({ stats: buffer.stats() }), 20);
