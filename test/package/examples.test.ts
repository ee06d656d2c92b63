/** Every example runs from the installed tarball, alone in its folder, and what it traces arrives. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { StandIn } from "../../src/stand-in/index.ts";
import { standIn, until } from "../support/buffers.ts";
import { projectFolder, start, userEnvironment } from "./site.ts";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));

interface Example {
  /** How many it leaves. */
  spans: number;
  /** In the end. */
  says: RegExp;
  needs?: "sidecar" | "compiler";
}

/** Pipecat's is run by test:interop. */
const examples: Readonly<Record<string, Example>> = {
  "cluster.ts": { spans: 40, says: /all workers have ended well/ },
  "decorators.ts": { spans: 4, says: /0 in the journal/, needs: "compiler" },
  "fastify-service.ts": { spans: 3, says: /^0 in the journal/ },
  "langfuse-tracing.ts": { spans: 2, says: /delivered/ },
  "observe.ts": { spans: 5, says: /0 in the journal/ },
  "opentelemetry-record.ts": { spans: 1, says: /0 in the journal/ },
  "opentelemetry-sidecar.ts": { spans: 3, says: /with the sidecar/, needs: "sidecar" },
  "vercel-ai.ts": { spans: 3, says: /0 in the journal/ },
  "voice-bot.ts": { spans: 4, says: /0 in the journal/ },
};

test("every example is here, and is short", () => {
  const files = readdirSync(folder);
  expect(files.filter((name) => name.endsWith(".ts")).toSorted()).toEqual(Object.keys(examples).toSorted());
  for (const name of files) {
    expect(readFileSync(join(folder, name), "utf8").split("\n").length, name).toBeLessThanOrEqual(60);
  }
});

test.each(Object.entries(examples))("%s", async (name, { spans, says, needs }) => {
  const server = await standIn();
  const env = needs === "sidecar" ? await sidecar(server) : {};
  const project = projectFolder({ [name]: readFileSync(join(folder, name), "utf8") });
  const program = needs === "compiler" ? await compiled(name, project) : name;
  const { code, stdout, stderr } = await start(process.execPath, [program], project, userEnvironment(server.url, env))
    .finished;
  expect([code, stderr], stdout).toEqual([0, ""]);
  expect(stdout).toMatch(says);
  await until(() => server.account().spans >= spans);
  expect(server.account()).toMatchObject({ spans, twice: 0 });
});

/** As the example's own comment says. */
async function compiled(name: string, project: string): Promise<string> {
  const options = ["--bundle", "--packages=external", "--platform=node", "--format=esm", "--target=node22"];
  const args = [name, ...options, "--outfile=compiled.mjs"];
  const { code, stderr } = await start("esbuild", args, project, userEnvironment("")).finished;
  expect(code, stderr).toBe(0);
  return "compiled.mjs";
}

async function sidecar({ url }: StandIn): Promise<NodeJS.ProcessEnv> {
  const serve = start("npx", ["span-buffer", "serve"], projectFolder(), userEnvironment(url));
  const [, endpoint] = await serve.says(/listening on (http:\S+)/);
  return { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
}
