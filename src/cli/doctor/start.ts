/** The first steps: Node, the settings, the keys, the base URL. Nothing is asked of disk or network. */
import { release } from "node:os";
import process from "node:process";
import { nodeComplaint } from "../../node-version.ts";
import { isLoopback } from "../../server/loopback.ts";
import type { Cause } from "./causes.ts";
import { type Finding, failed, note, ok } from "./findings.ts";
import type { Patient } from "./patient.ts";
import { prefixOf } from "./settings.ts";

/** @param version of Node, as `process.versions.node` has it. */
export function examineNode(version: string): Finding {
  const complaint = nodeComplaint(version);
  if (complaint !== undefined) return failed("node-too-old", complaint.replace(/:.*$/, ""));
  return ok(`${version} on ${process.platform} ${process.arch}, ${release()}`);
}

/** Settings that have a step of their own. */
const examinedElsewhere = new Set(["publicKey", "secretKey", "baseUrl"]);

/** Settings that are told even when they are the defaults. */
const alwaysTold = new Set(["publicKey", "secretKey", "baseUrl", "directory", "transport", "durability"]);

export function examineSettings({ settings }: Patient): Finding {
  const { list, conflict, options } = settings;
  const problems = list.flatMap(({ name, problem }) =>
    problem === null || examinedElsewhere.has(name) ? [] : [problem],
  );
  if (conflict !== undefined) problems.push(conflict);
  if (problems.length > 0) return failed("setting-invalid", problems.join("; "), list);
  if (!options.enabled) return note("tracing-off", "tracing is off: a buffer takes no spans", list);
  const told = list
    .filter(({ name, source }) => source !== "default" || alwaysTold.has(name))
    .map(({ name, value, source, variable }) => `${name} ${value} (${variable ?? source})`);
  return ok([...told, "all others are the defaults"].join("\n"), list);
}

interface KeyRow {
  isSo: (publicKey: string | undefined, secretKey: string | undefined) => boolean;
  cause: Cause;
  message: string;
}

const isPublic = (key: string | undefined): boolean => key?.startsWith("pk-") === true;
const isSecret = (key: string | undefined): boolean => key?.startsWith("sk-") === true;

/** The first row that is so is said. */
const keyTable: readonly KeyRow[] = [
  { isSo: (pk, sk) => pk === undefined && sk === undefined, cause: "keys-missing", message: "neither key is set" },
  { isSo: (pk) => pk === undefined, cause: "public-key-missing", message: "the public key is not set" },
  { isSo: (_, sk) => sk === undefined, cause: "secret-key-missing", message: "the secret key is not set" },
  {
    isSo: (pk, sk) => isSecret(pk) && isPublic(sk),
    cause: "keys-swapped",
    message: "the keys are in each other's place",
  },
  {
    isSo: (pk) => isSecret(pk),
    cause: "secret-key-as-public-key",
    message: "LANGFUSE_PUBLIC_KEY holds a secret key (sk-…)",
  },
  {
    isSo: (_, sk) => isPublic(sk),
    cause: "public-key-as-secret-key",
    message: "LANGFUSE_SECRET_KEY holds a public key (pk-…)",
  },
];

export function examineKeys({ settings }: Patient): Finding {
  const { publicKey, secretKey } = settings.raw;
  const row = keyTable.find(({ isSo }) => isSo(publicKey, secretKey));
  if (row !== undefined) return failed(row.cause, row.message);
  const message = `public key ${prefixOf(publicKey ?? "")}, secret key ${prefixOf(secretKey ?? "")}`;
  return isPublic(publicKey) && isSecret(secretKey)
    ? ok(message)
    : note("key-unusual", `${message}: Langfuse's own begin with pk- and sk-`);
}

/** Of Langfuse's web pages, and of the API itself, which is below the base URL. */
const foreignPath = /^\/(project|organization|auth|setup|api)(\/|$)/;

export function examineBaseUrl({ settings }: Patient): Finding {
  const text = settings.raw.baseUrl ?? settings.options.baseUrl;
  if (!URL.canParse(text)) return failed("base-url-invalid", "it is no URL; http:// or https:// belongs to it");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return failed("base-url-invalid", `it begins with ${url.protocol}, not with http:// or https://`);
  }
  // Never shown from here on: it may be a key.
  if (url.username !== "" || url.password !== "") {
    return failed("base-url-credentials", "there is a user name or a password in it");
  }
  if (url.search !== "" || url.hash !== "") return failed("base-url-invalid", "there is a query or a fragment in it");
  if (foreignPath.test(url.pathname)) {
    return failed("base-url-path", `it ends with ${url.pathname}, a path of Langfuse's pages or of its API`);
  }
  const shown = settings.options.baseUrl;
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"))) {
    return note("base-url-unencrypted", `${shown}: without encryption`);
  }
  return ok(shown);
}
