import "../node-version.ts";

export { joinContexts } from "./join-contexts.ts";
export type { DropInSettings } from "./settings.ts";
export { BufferedSpanExporter } from "./span-exporter.ts";
export { BufferedSpanProcessor } from "./span-processor.ts";
