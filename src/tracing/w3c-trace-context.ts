/** The headers of W3C's recommendation Trace Context (https://www.w3.org/TR/trace-context/), read strictly. */

const invalidVersion = "ff";
const sampledFlag = "01";
const notSampledFlag = "00";

/** Version, trace id, parent id and flags; what later versions append follows after a dash. */
const traceparent = /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/** Undefined: none, or one that must not be used: the trace then begins anew. */
export function parseTraceparent(header: string | undefined): { traceId: string; parentSpanId: string } | undefined {
  const [, version, traceId, parentSpanId, appendix] = traceparent.exec(header?.trim() ?? "") ?? [];
  if (traceId === undefined || parentSpanId === undefined || version === invalidVersion) return undefined;
  return version === "00" && appendix !== undefined ? undefined : { traceId, parentSpanId };
}

export function formatTraceparent(traceId: string, spanId: string, isSampled: boolean): string {
  return `00-${traceId}-${spanId}-${isSampled ? sampledFlag : notSampledFlag}`;
}

const maxMembers = 32;

/** A key by itself, or one of a tenant of a system. */
const key = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;

/** Printable ASCII without comma and equals sign, not ending with a blank. */
const value = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The list as it may be passed on, without blanks around its members. Undefined: one wrong member discards the whole. */
export function soundTracestate(header: string): string | undefined {
  const members = header
    .split(",")
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  const keys = new Set<string>();
  for (const member of members) {
    const equals = member.indexOf("=");
    const name = member.slice(0, Math.max(0, equals));
    if (!key.test(name) || !value.test(member.slice(equals + 1)) || keys.has(name)) return undefined;
    keys.add(name);
  }
  return members.length === 0 || members.length > maxMembers ? undefined : members.join(",");
}
