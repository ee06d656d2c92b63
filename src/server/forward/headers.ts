/** Headers on their way through, as RFC 9110 asks of an intermediary. */

/** Of one connection, not of the message (section 7.6.1). */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Set anew for the other side, or answered by Node already (`expect`). */
const ownToEachSide = new Set(["host", "expect"]);

/** Node's `rawHeaders` without what must not be passed on; names as they came, repeated ones repeated. */
export function passedOn(rawHeaders: readonly string[]): [name: string, value: string][] {
  const pairs = pairsOf(rawHeaders);
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(",").map((token) => token.trim().toLowerCase())),
  );
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !hopByHop.has(lower) && !ownToEachSide.has(lower) && !named.has(lower);
  });
}

function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] as string, rawHeaders[index + 1] as string]);
  }
  return pairs;
}

/** As `http.request` and `ServerResponse` take them: a repeated header is an array. */
export function headerObject(pairs: readonly (readonly [string, string])[]): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    const values = headers.get(lower);
    if (values === undefined) headers.set(lower, [value]);
    else values.push(value);
  }
  return Object.fromEntries(
    [...headers].map(([name, values]) => [name, values.length === 1 ? (values[0] as string) : values]),
  );
}
