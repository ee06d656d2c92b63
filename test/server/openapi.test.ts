import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createApp } from "../../src/server/app.ts";
import { ReceiverMetrics } from "../../src/server/operations/receiver-metrics.ts";
import { RequestLog } from "../../src/server/operations/request-log.ts";
import { resolveSidecarOptions } from "../../src/server/options.ts";
import { recordingLog, sidecarFor } from "../support/sidecars.ts";

interface Operation {
  operationId: string;
  security?: unknown[];
  responses: Record<string, unknown>;
}

interface Document {
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
}

const text = readFileSync(new URL("../../docs/openapi.yaml", import.meta.url), "utf8");
const document = parse(text) as Document;
const methods = ["get", "head", "options", "post", "put", "patch", "delete"] as const;

/** Every `METHOD /path` that the application has a handler for. */
function servedRoutes(): string[] {
  const { log } = recordingLog();
  const registry = new Registry();
  const projects = { authenticate: () => ({ status: 401 as const, message: "" }), all: () => [] };
  const requestLog = new RequestLog({ registry, log, scheme: "http" });
  const app = createApp(
    { options: resolveSidecarOptions({}, {}), projects, log, metrics: new ReceiverMetrics(registry) },
    { registry, requestLog, projects, isShuttingDown: () => false },
  );
  return app.routes
    .filter(({ path }) => path !== "/*")
    .flatMap(({ method, path }) => {
      // What OpenAPI can say of a path's rest.
      const template = path.replace(/\*$/, "{path}");
      const each = method === "ALL" ? methods : [method.toLowerCase()];
      return each.map((one) => `${one.toUpperCase()} ${template}`);
    });
}

function describedRoutes(): string[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    methods.filter((method) => method in item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

describe("docs/openapi.yaml", () => {
  it("is an OpenAPI 3.1 document", async () => {
    const validator = new Validator();
    const result = await validator.validate(parse(text) as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, validator.version]).toEqual([true, "3.1"]);
  });

  it("describes every route that is served, and serves every route that it describes", () => {
    expect(describedRoutes().toSorted()).toEqual(servedRoutes().toSorted());
    expect(describedRoutes()).toContain("POST /v1/traces");
  });

  it("refers to nothing that is not there, and has no part that nothing refers to", () => {
    const references = new Set(
      Array.from(text.matchAll(/\$ref: "#\/components\/(\w+\/\w+)"/g), ([, name = ""]) => name),
    );
    const { components } = document as unknown as { components: Record<string, object> };
    const parts = Object.entries(components)
      .filter(([kind]) => kind !== "securitySchemes")
      .flatMap(([kind, named]) => Object.keys(named).map((name) => `${kind}/${name}`));
    expect(references).toEqual(new Set(parts));
  });

  it("has an id of its own for each operation, and the package's version", () => {
    const ids = Object.values(document.paths).flatMap((item) =>
      methods.flatMap((method) => item[method]?.operationId ?? []),
    );
    expect(new Set(ids).size).toBe(ids.length);
    const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    expect(document.info.version).toBe((JSON.parse(manifest) as { version: string }).version);
  });

  it("says of the routes that need no key just that", async () => {
    const sidecar = await sidecarFor("http://127.0.0.1:9", {
      host: "0.0.0.0",
      buffer: { publicKey: "pk-lf-x", secretKey: "sk-lf-x" },
    });
    for (const route of describedRoutes()) {
      const [method = "", path = ""] = route.split(" ");
      const operation = document.paths[path]?.[method.toLowerCase()];
      const response = await fetch(sidecar.url + path.replace("{path}", "v2/prompts/x"), { method });
      const needsNoKey = operation?.security?.length === 0;
      expect([route, response.status !== 401]).toEqual([route, needsNoKey]);
      // And the answer is one that is described.
      expect([route, `${response.status}` in (operation?.responses ?? {})]).toEqual([route, true]);
    }
  });
});
