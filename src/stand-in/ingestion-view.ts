/** From an ingestion event and its trace's row to Langfuse's observation. */
import { isoOrNull, objectOf, type StoredSpan, shown, textOrNull } from "./observation.ts";

type Body = Readonly<Record<string, unknown>>;

export function viewOfIngestion(eventType: string, body: Body, trace: Body): StoredSpan {
  return {
    id: String(body["id"]),
    traceId: textOrNull(body["traceId"]) ?? "",
    parentObservationId: textOrNull(body["parentObservationId"]),
    type: eventType.startsWith("observation-")
      ? String(body["type"]).toUpperCase()
      : eventType.replace(/-(create|update)$/, "").toUpperCase(),
    name: textOrNull(body["name"]),
    startTime: isoOrNull(body["startTime"]),
    endTime: isoOrNull(body["endTime"]),
    completionStartTime: isoOrNull(body["completionStartTime"]),
    input: shown(body["input"]),
    output: shown(body["output"]),
    model: textOrNull(body["model"]),
    modelParameters: objectOf(body["modelParameters"]),
    ...usageOf(body),
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

/** The old `usage`, in either of its forms, and beside it the details, which go before. */
function usageOf(body: Body): Pick<StoredSpan, "usageDetails" | "costDetails"> {
  const usage = objectOf(body["usage"]);
  const { promptTokens, completionTokens, totalTokens, inputCost, outputCost, totalCost } = usage;
  const isOpenAi = [promptTokens, completionTokens, totalTokens].some((count) => count !== undefined);
  const input = isOpenAi ? promptTokens : usage["input"];
  const output = isOpenAi ? completionTokens : usage["output"];
  const details = objectOf(body["usageDetails"]);
  const sum = typeof input === "number" && typeof output === "number" ? input + output : (input ?? output);
  const total = (isOpenAi ? totalTokens : usage["total"]) ?? (Object.keys(details).length === 0 ? sum : undefined);
  return {
    usageDetails: { ...present({ input, output, total }), ...present(details) },
    costDetails: {
      ...present({ input: inputCost, output: outputCost, total: totalCost }),
      ...present(objectOf(body["costDetails"])),
    },
  };
}

function present(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
}

/** Anything but an object goes under the key `metadata`. */
function metadataOf(metadata: unknown): Record<string, unknown> {
  const value = shown(metadata);
  if (value === null) return {};
  return typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : { metadata: value };
}
