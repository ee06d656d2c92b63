// An application and its dependency each bring a copy of the package; both have a buffer. The subject of ends.test.ts.
import { registerHooks } from "node:module";
import process from "node:process";

const [baseUrl = "", directory = "", count = "1"] = process.argv.slice(2);
const copy = "?copy.ts";

// What the second copy imports of its own is the second copy's as well.
registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    const isCopied = specifier.startsWith(".") && context.parentURL?.endsWith(copy) === true;
    return isCopied ? { ...resolved, url: resolved.url + copy } : resolved;
  },
});

const second = new URL(`../../src/index.ts${copy}`, import.meta.url);
const copies = (await Promise.all([import("../../src/index.ts"), import(second.href)])) as Pick<
  typeof import("../../src/index.ts"),
  "SpanBuffer"
>[];
if (copies[0]?.SpanBuffer === copies[1]?.SpanBuffer) throw new Error("there is one copy only");

for (const { SpanBuffer } of copies) {
  const buffer = new SpanBuffer({
    baseUrl,
    publicKey: "pk-lf-stand-in",
    secretKey: "sk-lf-stand-in",
    directory,
    logger: { warn: () => undefined },
  });
  for (let index = 0; index < Number(count); index++) buffer.startSpan("span").end();
}
setInterval(() => undefined, 1_000);
process.stdout.write(`${process.listenerCount("SIGTERM")}\n`);
