import { existsSync, readFileSync } from "node:fs";
import { type ValidatorSettings, ValidationSeverity, validate } from "dockerfile-utils";
import { expect, test } from "vitest";
import { deployFile, instructionsOf, unitEnvironment } from "./deploy-files.ts";

const root = new URL("../../", import.meta.url);
const dockerfile = deployFile("Dockerfile");
const instructions = instructionsOf(dockerfile);
const lastStage = instructions.slice(instructions.findLastIndex(({ keyword }) => keyword === "FROM"));

const textsOf = (keyword: string, among = instructions): string[] =>
  among.filter((instruction) => instruction.keyword === keyword).map(({ text }) => text);

/** All that the linter can find, and none of it forgiven. */
const strict: ValidatorSettings = {
  deprecatedMaintainer: ValidationSeverity.ERROR,
  directiveCasing: ValidationSeverity.ERROR,
  emptyContinuationLine: ValidationSeverity.ERROR,
  instructionCasing: ValidationSeverity.ERROR,
  instructionCmdMultiple: ValidationSeverity.ERROR,
  instructionEntrypointMultiple: ValidationSeverity.ERROR,
  instructionHealthcheckMultiple: ValidationSeverity.ERROR,
  instructionJSONInSingleQuotes: ValidationSeverity.ERROR,
  instructionWorkdirRelative: ValidationSeverity.ERROR,
};

test("the linter finds nothing", () => {
  expect(validate(dockerfile, strict)).toEqual([]);
  // And it does look.
  expect(validate(dockerfile.replace("\nEXPOSE 4318", "\nEXPOSE no"), strict)).toHaveLength(1);
});

test("every stage is of one slim image with the major version that the toolchain pins", () => {
  const images = new Set(textsOf("FROM").map((text) => text.split(" ")[0]));
  expect([...images]).toEqual(["node:24-bookworm-slim"]);
  const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
    devDependencies: { node: string };
  };
  expect(devDependencies.node).toMatch(/^\^24\./);
});

test("it runs as a user by number that is not root, and without a shell before it", () => {
  expect(textsOf("USER", lastStage)).toEqual(["1000:1000"]);
  const [entrypoint = "", ...others] = textsOf("ENTRYPOINT", lastStage);
  expect(others).toEqual([]);
  expect(JSON.parse(entrypoint)).toEqual(["node", "/opt/span-buffer/dist/cli/main.js"]);
  expect(JSON.parse(textsOf("CMD", lastStage)[0] as string)).toEqual(["serve", "--host", "0.0.0.0"]);
});

test("memory is bounded as under systemd", () => {
  const settings = textsOf("ENV", lastStage).flatMap((text) => text.split(/ +/));
  const ours = Object.entries(unitEnvironment()).map(([name, value]) => `${name}=${value}`);
  expect(ours.length).toBeGreaterThan(0);
  expect(settings).toEqual(expect.arrayContaining(ours));
});

test("the journals are on a volume that its user owns", () => {
  const [volume] = textsOf("VOLUME", lastStage);
  expect(textsOf("ENV", lastStage).join(" ")).toContain(`SPAN_BUFFER_DIRECTORY=${volume}`);
  expect(textsOf("RUN", lastStage).join(" ")).toContain(`install -d -o node -g node -m 700 ${volume}`);
});

test("its health is asked by the probe that is in the image", () => {
  const [check = ""] = textsOf("HEALTHCHECK", lastStage);
  const command = JSON.parse(check.slice(check.indexOf("["))) as string[];
  expect(command).toEqual(["node", "/opt/span-buffer/probe.mjs", "/livez"]);
  expect(textsOf("COPY", lastStage)).toContain("deploy/probe.mjs /opt/span-buffer/probe.mjs");
});

test("what is copied exists, and is let through by the ignore file", () => {
  const admitted = deployFile("Dockerfile.dockerignore")
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1));
  const copied = textsOf("COPY")
    .filter((text) => !text.startsWith("--from"))
    .flatMap((text) => text.split(" ").slice(0, -1));
  expect(copied.length).toBeGreaterThan(0);
  for (const path of copied) {
    expect(existsSync(new URL(path, root)), path).toBe(true);
    expect(admitted, path).toContain(path);
  }
});

test("packages come from the lock file, and no install script runs", () => {
  const installs = textsOf("RUN").filter((text) => /\bnpm\b/.test(text));
  expect(installs).toHaveLength(2);
  for (const install of installs) expect(install).toMatch(/^npm ci .*--ignore-scripts/);
});
