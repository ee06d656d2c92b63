/** Scores in a list: the way of Langfuse's Python SDK from version 5 on, which sends nothing else. */
import { expect, test } from "vitest";
import { traceIdOf } from "../../src/export/event-ids.ts";
import { standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { ingestionSidecar, publicKey, secretKey } from "./ingestion-sidecar.ts";

async function post(url: string, body: unknown): Promise<Response> {
  return await fetch(`${url}/api/public/scores`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
}

const good = { id: "a", name: "helpful", value: 1, traceId: "call" };

test.each(["otlp", "ingestion"] as const)("reaches a server of generation %s", async (generation) => {
  const server = await standIn({ generation });
  const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
  const answer = await post(sidecar.url, [good, { ...good, id: "b" }]);
  expect([answer.status, await answer.json()]).toEqual([202, { message: "Accepted" }]);
  await until(() => server.scores().length === 2);
  const traceId = generation === "otlp" ? traceIdOf("call") : "call";
  expect(server.scores()).toMatchObject([
    { ...good, traceId },
    { ...good, id: "b", traceId },
  ]);
  expect(sidecar.counted).toEqual(["accepted score 2"]);
});

test("an empty list is accepted", async () => {
  const server = await standIn();
  const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
  const answer = await post(sidecar.url, []);
  expect([answer.status, await answer.json()]).toEqual([202, { message: "Accepted" }]);
});

test("one that could never be stored is named, the others are kept", async () => {
  const server = await standIn();
  const sidecar = await ingestionSidecar(server.url, { directory: temporaryDirectory() });
  const answer = await post(sidecar.url, [good, { value: 1 }, "none"]);
  expect([answer.status, await answer.json()]).toEqual([
    207,
    { accepted: 1, rejected: 2, errors: [{ message: expect.any(String) }, { message: expect.any(String) }] },
  ]);
  await until(() => server.scores().length === 1);
  expect(sidecar.counted).toContain("rejected score 2: invalid");
});
