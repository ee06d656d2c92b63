import { heedsProxyVariables } from "../../export/connections.ts";

export interface Proxy {
  /** Its host and port: a user name and password may be in the URL. */
  host: string;
  variable: string;
  /** Node uses it. */
  isHeeded: boolean;
}

/** The proxy that the environment names for a URL; undefined: none. */
export function proxyFor(url: string, env: NodeJS.ProcessEnv): Proxy | undefined {
  const { protocol, hostname } = new URL(url);
  const names = ["http_proxy", "HTTP_PROXY"];
  if (protocol === "https:") names.unshift("https_proxy", "HTTPS_PROXY");
  const variable = names.find((name) => (env[name] ?? "") !== "");
  if (variable === undefined || isExempt(hostname, env["no_proxy"] ?? env["NO_PROXY"] ?? "")) return undefined;
  const address = env[variable] ?? "";
  return {
    host: URL.canParse(address) ? new URL(address).host : "(no valid URL)",
    variable,
    isHeeded: heedsProxyVariables(),
  };
}

/** `NO_PROXY`: hosts and domains, `*` for all. */
function isExempt(hostname: string, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map((entry) => entry.replace(/:\d+$/, "").replace(/^\*?\./, ""))
    .some((entry) => entry === "*" || hostname === entry || hostname.endsWith(`.${entry}`));
}
