import type { Destination } from "../workers/messages.ts";

/** The value of `Authorization`: Basic, the public key as the name, the secret one as the password. */
export function authorizationOf({ publicKey, secretKey }: Destination): string {
  return `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`;
}
