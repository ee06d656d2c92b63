#!/usr/bin/env node
/** The command `span-buffer`. The check of Node's version comes first and alone: nothing native is loaded before it. */
import process from "node:process";

try {
  await import("../node-version.ts");
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
const { run } = await import("./program.ts");
await run(process.argv);
