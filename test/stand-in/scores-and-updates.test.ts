import { expect, test } from "vitest";
import type { StandIn } from "../../src/stand-in/index.ts";
import { standIn } from "../support/buffers.ts";

async function post(server: StandIn, path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${server.url}/api/public/${path}`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("pk-lf-stand-in:sk-lf-stand-in").toString("base64")}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

test("a list of scores: accepted whole, or by how many and why not", async () => {
  const server = await standIn();
  const score = { name: "helpful", value: 1, traceId: "call" };
  expect(await post(server, "scores", [score, score])).toEqual({ status: 202, body: { message: "Accepted" } });
  expect(await post(server, "scores", { ...score, id: "one" })).toEqual({ status: 200, body: { id: "one" } });
  expect(server.scores()).toHaveLength(3);
});

test("an update that comes before its create makes one observation with it", async () => {
  const server = await standIn({ generation: "ingestion" });
  const timestamp = "2026-11-26T06:00:00.000Z";
  const create = { id: "o", traceId: "t", name: "answer", startTime: timestamp, model: "gpt-4o-mini" };
  const events = [
    {
      id: "1",
      type: "generation-update",
      timestamp,
      body: { id: "o", traceId: "t", output: "Ten.", endTime: timestamp },
    },
    { id: "2", type: "generation-create", timestamp, body: create },
  ];
  for (const event of events) await post(server, "ingestion", { batch: [event] });
  expect(server.spans()).toMatchObject([{ type: "GENERATION", name: "answer", model: "gpt-4o-mini", output: "Ten." }]);
  expect(server.account()).toMatchObject({ spans: 1, twice: 0 });
  await post(server, "ingestion", { batch: [events[1]] });
  expect(server.account()).toMatchObject({ spans: 1, twice: 1, arrivals: 2 });
});
