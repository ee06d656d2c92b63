/**
 * The way of what goes to the ingestion route as it came: scores, and in a sidecar the events of old SDKs. It shares nothing
 * with that of the spans, since a server may take the one and refuse the other.
 */
import { join } from "node:path";
import { hasLeftovers } from "./buffer/journal-files.ts";
import type { ResolvedOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import { eventTaskUrl } from "./thread-files.ts";

/** Below the directory of the spans' journals. */
export const eventsFolder = "events";

/** Did an earlier process leave events of this project? @throws what the file system throws. */
export function hasEventLeftovers(options: ResolvedOptions): boolean {
  return hasLeftovers(join(options.directory, eventsFolder), options);
}

/** @param options those of the pipeline for spans. */
export function openEventPipeline(options: ResolvedOptions, name?: string): Pipeline {
  const { directory, crashLogDirectory } = options;
  return new Pipeline(
    {
      ...options,
      directory: join(directory, eventsFolder),
      crashLogDirectory: join(crashLogDirectory, eventsFolder),
      // These belong onto spans; an event goes out as it came.
      environment: undefined,
      release: undefined,
      serviceName: undefined,
      sampleRate: 1,
      sampling: undefined,
      shouldExportSpan: undefined,
    },
    { name, taskUrl: eventTaskUrl },
  );
}
