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

/** How many spans each leaves, and what it says in the end. Pipecat's is run by test:interop. */
const examples: Readonly<Record<string, { spans: number; says: RegExp; needs?: "sidecar" }>> = {
  "cluster.ts": { spans: 40, says: /all workers have ended well/ },
  "fastify-service.ts": { spans: 3, says: /^0 in the journal/ },
  "opentelemetry-record.ts": { spans: 1, says: /0 in the journal/ },
  "opentelemetry-sidecar.ts": { spans: 3, says: /with the sidecar/, needs: "sidecar" },
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
  const { code, stdout, stderr } = await start(process.execPath, [name], project, userEnvironment(server.url, env))
    .finished;
  expect([code, stderr], stdout).toEqual([0, ""]);
  expect(stdout).toMatch(says);
  await until(() => server.account().spans >= spans);
  expect(server.account()).toMatchObject({ spans, twice: 0 });
});

async function sidecar({ url }: StandIn): Promise<NodeJS.ProcessEnv> {
  const serve = start("npx", ["span-buffer", "serve"], projectFolder(), userEnvironment(url));
  const [, endpoint] = await serve.says(/listening on (http:\S+)/);
  return { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
}
