/** Who may do what, in the words of the real server. */
export interface Keys {
  publicKey: string;
  secretKey: string;
}

export type Access =
  | { kind: "full" }
  /** Bearer with a public key that is known: scores only. */
  | { kind: "scores-only" }
  | { kind: "refused"; message: string };

const wrongHost = "Confirm that you've configured the correct host.";

export function accessOf(authorization: string | undefined, keys: Keys): Access {
  if (authorization === undefined) return { kind: "refused", message: "No authorization header" };
  const [scheme = "", token = ""] = authorization.split(" ");
  if (scheme === "Bearer") {
    return token === keys.publicKey
      ? { kind: "scores-only" }
      : { kind: "refused", message: `Invalid public key. ${wrongHost}` };
  }
  if (scheme !== "Basic") return { kind: "refused", message: "Invalid authorization header" };
  const isRight = Buffer.from(token, "base64").toString() === `${keys.publicKey}:${keys.secretKey}`;
  return isRight ? { kind: "full" } : { kind: "refused", message: `Invalid credentials. ${wrongHost}` };
}
