/**
 * Whose a journal is. It belongs to one destination (base URL and public key, in its `meta`), because the spans of one
 * project must never be sent with the keys of another. A journal without a public key was written before keys were
 * configured; it goes to the first that comes with keys for the same base URL.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Journal } from "./journal.ts";

export interface JournalOwner {
  baseUrl: string;
  /** Undefined: no keys are configured. */
  publicKey: string | undefined;
}

export function ownerOf(journal: Journal): JournalOwner | undefined {
  const baseUrl = journal.meta.get("base_url");
  return baseUrl === undefined ? undefined : { baseUrl, publicKey: journal.meta.get("public_key") };
}

export function isSameOwner(found: JournalOwner, owner: JournalOwner): boolean {
  return found.baseUrl === owner.baseUrl && (found.publicKey === undefined || found.publicKey === owner.publicKey);
}

export function writeOwner(journal: Journal, owner: JournalOwner): void {
  journal.meta.set("base_url", owner.baseUrl);
  if (owner.publicKey !== undefined) journal.meta.set("public_key", owner.publicKey);
}

/** Whose journal it is stands beside it too, for one whose own word cannot be read any more. */
export function ownerFile(file: string): string {
  return file.replace(/\.sqlite$/, ".owner");
}

export function writeOwnerFile(file: string, owner: JournalOwner): void {
  writeFileSync(ownerFile(file), JSON.stringify(owner), { mode: 0o600 });
}

export function readOwnerFile(file: string): JournalOwner {
  try {
    return JSON.parse(readFileSync(ownerFile(file), "utf8")) as JournalOwner;
  } catch {
    // Nobody's: they might be sent with another project's keys.
    return { baseUrl: "unknown", publicKey: undefined };
  }
}

/** Does the word beside the journal name this very owner? Its own may be damaged, though SQLite can read it. */
export function isNamedBeside(file: string, owner: JournalOwner): boolean {
  const named = readOwnerFile(file);
  return named.baseUrl === owner.baseUrl && named.publicKey === owner.publicKey;
}
