/** Every flag and every environment variable in deploy/ is one that the sidecar knows. */
import { readdirSync } from "node:fs";
import process from "node:process";
import { expect, test } from "vitest";
import { serveCommand } from "../../src/cli/serve/command.ts";
import { optionTable } from "../../src/option-table.ts";
import { resolveSidecarOptions, sidecarOptionTable } from "../../src/server/options.ts";
import { compose } from "./compose.ts";
import { deployFile, instructionsOf, unitEnvironment, unitSections } from "./deploy-files.ts";
import { kubernetes } from "./kubernetes.ts";

const folder = new URL("../../deploy/", import.meta.url);
const files = readdirSync(folder);

const flags = new Set(serveCommand().options.map(({ long }) => long));
const variables = new Set(
  [...Object.values(optionTable), ...Object.values(sidecarOptionTable)].flatMap(({ env = [] }) => env),
);
/** Of others: Node's, Langfuse's own server's, and those of OpenTelemetry's SDKs in a bot. */
const foreign = [
  "NODE_OPTIONS",
  "NODE_ENV",
  "LANGFUSE_INIT_PROJECT_PUBLIC_KEY",
  "LANGFUSE_INIT_PROJECT_SECRET_KEY",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_HEADERS",
];

const last = (keyword: string): string =>
  instructionsOf(deployFile("Dockerfile")).findLast((instruction) => instruction.keyword === keyword)?.text ?? "";

const commandLines: Readonly<Record<string, readonly string[]>> = {
  Dockerfile: JSON.parse(last("CMD")) as string[],
  "compose.yaml": compose().services["span-buffer"].command,
  "kubernetes-sidecar.yaml": kubernetes().spec.template.spec.initContainers[0].args ?? [],
  "span-buffer.service":
    unitSections(deployFile("span-buffer.service")).get("Service")?.get("ExecStart")?.[0]?.split(" ").slice(1) ?? [],
};

test.each(Object.entries(commandLines))("the command line in %s is understood", async (_file, args) => {
  expect(args[0]).toBe("serve");
  const command = serveCommand().exitOverride();
  let given: Record<string, unknown> = {};
  command.action((values: Record<string, unknown>) => {
    given = values;
  });
  await command.parseAsync(args.slice(1), { from: "user" });
  const keys = { publicKey: "pk-lf-1", secretKey: "sk-lf-1" };
  const numbers = { shutdownTimeoutMs: Number(given["shutdownTimeoutMs"] ?? 5_000) };
  expect(resolveSidecarOptions({ host: given["host"] as string, buffer: { ...keys, ...numbers } }, {}).host).toBe(
    given["host"],
  );
});

test.each(files)("%s: its flags and environment variables exist", (file) => {
  const text = deployFile(file);
  // Of the sidecar: words with a dash that belong to other programs are on lines of those.
  const lines = text
    .split("\n")
    .filter((line) => !/\b(npm|docker|HEALTHCHECK|NODE_OPTIONS|COPY|kubectl|useradd|systemctl|install)\b/.test(line));
  for (const [flag] of lines.join("\n").matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) expect(flags, flag).toContain(flag);
  for (const [name] of text.matchAll(/\b(?:SPAN_BUFFER|LANGFUSE|OTEL|NODE)_[A-Z_]+\b/g)) {
    expect([...variables, ...foreign], name).toContain(name);
  }
});

test("Node takes the options that the image and the unit give it", () => {
  const options = unitEnvironment()["NODE_OPTIONS"]?.split(" ") ?? [];
  expect(options.length).toBeGreaterThan(0);
  for (const option of options)
    expect(process.allowedNodeEnvironmentFlags.has(option.split("=")[0] ?? ""), option).toBe(true);
});

test("the variables that are set are the sidecar's", () => {
  const [sidecar] = kubernetes().spec.template.spec.initContainers;
  for (const { name } of sidecar.env) expect(variables, name).toContain(name);
  for (const name of Object.keys(compose().services["span-buffer"].environment))
    expect(variables, name).toContain(name);
});

test.each(files)("%s names no registry, and no key", (file) => {
  const text = deployFile(file);
  // An image name with a host has a dot or a port before its first slash.
  for (const [, name = ""] of text.matchAll(/^\s*(?:image:|FROM)\s+(\S+)/gm))
    expect(name).not.toMatch(/^[^/]*[.:][^/]*\//);
  expect(text).not.toMatch(/registry|ghcr|docker\.io|quay\.io/i);
  expect(text).not.toMatch(/\b[ps]k-lf-\w/);
});
