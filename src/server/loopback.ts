import { isIPv4 } from "node:net";

/** Is this URL the very address that somebody listens on? Names other than `localhost` are not looked up. */
export function isSameAddress(url: string, host: string, port: number): boolean {
  const { hostname, port: urlPort, protocol } = new URL(url);
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  const isSamePort = Number(urlPort || (protocol === "https:" ? 443 : 80)) === port;
  const isAnyAddress = host === "0.0.0.0" || host === "::";
  return isSamePort && (address === host || (isLoopback(address) && (isLoopback(host) || isAnyAddress)));
}

/** Only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:/, "");
  return address === "localhost" || address === "::1" || (isIPv4(address) && address.startsWith("127."));
}
