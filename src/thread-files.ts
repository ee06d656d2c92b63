/**
 * Where the threads' entry files are. The compiler rewrites import paths from `.ts` to `.js` but not these URLs, so the
 * choice between source and build is made here and nowhere else.
 */
import { pathToFileURL } from "node:url";

/** A bundle in the form of CommonJS has no `import.meta.url`; docs/embed.md says which files lie beside a bundle. */
const here: string = import.meta.url ?? pathToFileURL(__filename).href;
const extension = here.endsWith(".ts") ? ".ts" : ".js";

export const pumpUrl: URL = new URL(`./workers/pump-thread${extension}`, here);
export const exportTaskUrl: URL = new URL(`./export/task${extension}`, here);
/** For what goes to the ingestion route as it came: scores, and the events of old SDKs. */
export const eventTaskUrl: URL = new URL(`./export/event-task${extension}`, here);
