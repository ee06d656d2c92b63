/** From an ingestion event and its trace's row to Langfuse's observation. */
import { isoOrNull, objectOf, type StoredSpan, shown, textOrNull } from "./observation.ts";

type Body = Readonly<Record<string, unknown>>;

export function viewOfIngestion(eventType: string, body: Body, trace: Body): StoredSpan {
  return {
    id: String(body["id"]),
    traceId: textOrNull(body["traceId"]) ?? "",
    parentObservationId: textOrNull(body["parentObservationId"]),
    type: eventType.replace(/-create$/, "").toUpperCase(),
    name: textOrNull(body["name"]),
    startTime: isoOrNull(body["startTime"]),
    endTime: isoOrNull(body["endTime"]),
    completionStartTime: isoOrNull(body["completionStartTime"]),
    input: shown(body["input"]),
    output: shown(body["output"]),
    model: textOrNull(body["model"]),
    modelParameters: objectOf(body["modelParameters"]),
    usageDetails: objectOf(body["usageDetails"]),
    costDetails: objectOf(body["costDetails"]),
    level: textOrNull(body["level"]) ?? "DEFAULT",
    statusMessage: textOrNull(body["statusMessage"]),
    version: textOrNull(body["version"]),
    environment: textOrNull(body["environment"]) ?? "default",
    metadata: metadataOf(body["metadata"]),
    promptName: textOrNull(body["promptName"]),
    promptVersion: typeof body["promptVersion"] === "number" ? body["promptVersion"] : null,
    userId: textOrNull(trace["userId"]),
    sessionId: textOrNull(trace["sessionId"]),
    tags: Array.isArray(trace["tags"]) ? trace["tags"].map(String) : [],
    traceName: textOrNull(trace["name"]),
    public: trace["public"] === true,
    release: textOrNull(trace["release"]),
    traceMetadata: metadataOf(trace["metadata"]),
  };
}

/** Anything but an object goes under the key `metadata`. */
function metadataOf(metadata: unknown): Record<string, unknown> {
  const value = shown(metadata);
  if (value === null) return {};
  return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : { metadata: value };
}
