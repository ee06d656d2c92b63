export type OtlpEncoding = "protobuf" | "json";

const encodings: Readonly<Record<string, OtlpEncoding>> = {
  "application/x-protobuf": "protobuf",
  "application/protobuf": "protobuf",
  "application/json": "json",
};

export const acceptedContentTypes = "application/x-protobuf or application/json";

/** How a request is encoded, by its Content-Type, and how to say so in the answer; undefined: no way of OTLP/HTTP. */
export function otlpEncodingOf(
  contentType: string | undefined,
): { encoding: OtlpEncoding; contentType: string } | undefined {
  const bare = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return Object.hasOwn(encodings, bare) ? { encoding: encodings[bare] as OtlpEncoding, contentType: bare } : undefined;
}
