// Imported before everything else in a thread (with-name-service.ts): names are looked up in the file NAMES_FILE, JSON of a name's
// addresses. A name that is not in it does not exist.
import dns, { type LookupAddress, type LookupOptions } from "node:dns";
import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";

type Callback = (error: Error | null, address?: string | LookupAddress[], family?: number) => void;

function lookup(name: string, options: LookupOptions | Callback, callback?: Callback): void {
  const done = callback ?? (options as Callback);
  const { all = false } = typeof options === "object" ? options : {};
  const names = JSON.parse(readFileSync(process.env["NAMES_FILE"] ?? "", "utf8")) as Record<string, string[]>;
  const found = (names[name] ?? []).map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  setImmediate(() => {
    if (found[0] === undefined) {
      done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND", syscall: "getaddrinfo" }));
    } else if (all) done(null, found);
    else done(null, found[0].address, found[0].family);
  });
}

Object.assign(dns, { lookup });
