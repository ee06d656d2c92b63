/** The probe of the image, against a sidecar of its own. */
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startSidecar } from "../../src/server/serve.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const probe = fileURLToPath(new URL("../../deploy/probe.mjs", import.meta.url));

async function ask(port: number, path: string): Promise<{ code: number; stderr: string }> {
  const { SPAN_BUFFER_TLS_CERTIFICATE_FILE: _none, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [probe, path],
      { env: { ...env, SPAN_BUFFER_PORT: String(port) } },
      (error, _out, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stderr }),
    );
  });
}

test("a sidecar that runs is alive and ready, though there is no Langfuse; one that does not is neither", async () => {
  const sidecar = await startSidecar({
    port: 0,
    logLevel: "silent",
    buffer: {
      baseUrl: "http://127.0.0.1:9",
      publicKey: "pk-lf-1",
      secretKey: "sk-lf-1",
      directory: temporaryDirectory(),
      logger: { warn: () => undefined },
    },
  });
  onTestFinished(() => sidecar.close(1_000));
  const port = Number(new URL(sidecar.url).port);
  expect(await ask(port, "/livez")).toEqual({ code: 0, stderr: "" });
  expect(await ask(port, "/readyz")).toEqual({ code: 0, stderr: "" });
  await sidecar.close(1_000);
  expect(await ask(port, "/livez")).toMatchObject({ code: 1, stderr: expect.stringContaining("ECONNREFUSED") });
});

test("an answer that is not 200 is told with its reasons", async () => {
  const server = createServer((_request, response) => response.writeHead(503).end('{"reasons":["disk full"]}'));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  expect(await ask(port, "/readyz")).toEqual({ code: 1, stderr: '{"reasons":["disk full"]}\n' });
});
