/**
 * Where the threads' entry files are. The compiler rewrites import paths from `.ts` to `.js` but not these URLs, so the
 * choice between source and build is made here and nowhere else.
 */
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

export const pumpUrl: URL = new URL(`./workers/pump-thread${extension}`, import.meta.url);
export const exportTaskUrl: URL = new URL(`./export/task${extension}`, import.meta.url);
/** For what goes to the ingestion route as it came: scores, and the events of old SDKs. */
export const eventTaskUrl: URL = new URL(`./export/event-task${extension}`, import.meta.url);
