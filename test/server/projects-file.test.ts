import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readProjectsFile } from "../../src/server/projects-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const acme = { name: "acme", publicKey: "pk-lf-acme", secretKey: "sk-lf-s3cr3t" };
const globex = {
  name: "globex",
  publicKey: "pk-lf-globex",
  secretKey: "sk-lf-s3cr3t-2",
  baseUrl: "http://127.0.0.1:1/",
};

function fileWith(content: unknown, mode = 0o600): string {
  const file = join(temporaryDirectory(), "projects.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode });
  chmodSync(file, mode);
  return file;
}

function read(file: string): ReturnType<typeof readProjectsFile> {
  return readProjectsFile(file, "http://127.0.0.1:9");
}

describe("the projects file", () => {
  const expected = [
    { ...acme, baseUrl: "http://127.0.0.1:9" },
    { ...globex, baseUrl: "http://127.0.0.1:1" },
  ];

  it("is an array of projects", () => {
    expect(read(fileWith([acme, globex]))).toEqual({ projects: expected, warning: undefined });
  });

  it("or an object of them by name", () => {
    const { name: _acme, ...acmeFields } = acme;
    const { name: _globex, ...globexFields } = globex;
    expect(read(fileWith({ acme: acmeFields, globex: globexFields })).projects).toEqual(expected);
  });

  it.each([0o640, 0o604, 0o644])("is warned about when others may read it (%o)", (mode) => {
    const { warning } = read(fileWith([acme], mode));
    expect(warning).toMatch(/projects\.json can be read by others than its owner: chmod 600 it$/);
  });

  const faults: readonly [what: string, content: unknown, words: RegExp][] = [
    ["no JSON", '[{"secretKey": "sk-lf-s3cr3t", }]', /is not JSON$/],
    ["a number", 7, /neither an array of projects nor an object/],
    ["no project", [], /it names no project/],
    ["an entry that is none", [acme, "sk-lf-s3cr3t"], /entry 2: it is not an object/],
    ["no name", [{ ...acme, name: undefined }], /entry 1: name must be/],
    ["an odd name", [{ ...acme, name: "a b" }], /entry 1: name must be up to 64 of A-Z/],
    ["a missing key", [{ ...acme, secretKey: undefined }], /entry 1: secretKey is missing/],
    ["a missing public key", { acme: { secretKey: "sk-lf-s3cr3t" } }, /entry "acme": publicKey is missing/],
    ["keys the wrong way round", [{ ...acme, publicKey: "sk-lf-s3cr3t" }], /entry 1: publicKey must be a public key/],
    ["an empty key", [{ ...acme, secretKey: "" }], /entry 1: secretKey must be/],
    [
      "a base URL that is none",
      [{ ...acme, baseUrl: "sk-lf-s3cr3t" }],
      /entry 1: baseUrl must be an http or https URL/,
    ],
    ["an unknown field", [{ ...acme, secret: "sk-lf-s3cr3t" }], /entry 1: unknown field "secret"/],
    ["a key in the place of a field", [{ ...acme, "sk-lf-s3cr3t": 1 }], /entry 1: unknown field$/],
    ["a key in the place of a name", { "sk-lf-s3cr3t": 1 }, /entry with an odd name: it is not an object/],
    ["a name twice", [acme, { ...globex, name: "acme" }], /the name "acme" is there twice/],
    ["a key twice", [acme, { ...globex, publicKey: acme.publicKey }], /"acme" and "globex" have the same publicKey/],
  ];

  it.each(faults)("with %s is refused: what is wrong and where, and no secret", (_, content, words) => {
    const file = fileWith(content);
    const message = messageOf(() => read(file));
    expect(message).toMatch(words);
    expect(message).toContain(file);
    expect(message).not.toContain("s3cr3t");
  });

  it("says everything that is wrong at once", () => {
    const message = messageOf(() =>
      read(
        fileWith([
          { ...acme, secretKey: "" },
          { ...globex, publicKey: 1 },
        ]),
      ),
    );
    expect(message).toMatch(/entry 1: secretKey.*entry 2: publicKey/);
  });

  it("that is not there is named", () => {
    expect(messageOf(() => read("/nowhere/projects.json"))).toBe(
      "the projects file /nowhere/projects.json cannot be read: there is no such file",
    );
  });
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return "it was taken";
}
