import { serveStandIn } from "../stand-in/serve.ts";

interface StandInOptions {
  host: string;
  port: number;
  controlPort?: number;
  generation: "otlp" | "ingestion";
  file?: string;
}

export async function runStandIn(options: StandInOptions): Promise<void> {
  await serveStandIn(options);
}
