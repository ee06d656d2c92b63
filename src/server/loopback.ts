import { isIPv4 } from "node:net";

/** Only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:/, "");
  return address === "localhost" || address === "::1" || (isIPv4(address) && address.startsWith("127."));
}
