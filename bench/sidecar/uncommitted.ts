/**
 * The sidecar's command line, unchanged but for one thing: an answer does not wait for the commit. For what the waiting
 * costs; nothing of it is in the product.
 */
import process from "node:process";
import { run } from "../../src/cli/program.ts";
import { Pipeline } from "../../src/pipeline.ts";

Pipeline.prototype.whenCommitted = () => Promise.resolve(true);
await run(process.argv);
