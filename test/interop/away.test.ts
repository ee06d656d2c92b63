/** Langfuse is away for 30 s, and for as long as the clients take: no client notices, and everything is delivered afterwards. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, type ClientName, clientNames, legacyNames } from "./clients.ts";
import { get, missingAt, openSite, type Site, twice, unavailable } from "./site.ts";

const outageMs = 30_000;
/** A buffer that has been without its server for that long tries again after up to half a minute. */
const backoffMs = 90_000;

const sites = [
  { generation: "otlp", names: clientNames },
  { generation: "ingestion", names: legacyNames },
] as const;

describe("Langfuse away for 30 s", () => {
  const opened: Site[] = [];
  const clients: Map<ClientName, Client>[] = [];
  const storedMeanwhile: number[] = [];
  const lookUps: Record<string, { status: number; body: unknown }> = {};
  let refused = 0;
  let deadlineMs = 0;

  beforeAll(async () => {
    for (const { generation } of sites) opened.push(await openSite(generation));
    const [first] = opened as [Site];
    lookUps["prompt before"] = await get(`${first.sidecar.url}/api/public/v2/prompts/greeting`);
    for (const { langfuse } of opened) await langfuse.setFault({ kind: "down" });
    const back = new Promise((resolve) => setTimeout(resolve, outageMs));
    for (const [index, { names }] of sites.entries()) {
      const { sidecar } = opened[index] as Site;
      const options = { count: 20, paceMs: 300 };
      clients.push(new Map(names.map((name) => [name, new Client(name, sidecar.url, options)])));
    }
    for (const path of ["health", "v2/prompts/greeting", "traces"]) {
      lookUps[path] = await get(`${first.sidecar.url}/api/public/${path}`);
    }
    await Promise.allSettled(clients.flatMap((map) => [...map.values()].map((client) => client.ended())));
    await back;
    for (const { langfuse, sidecar } of opened) {
      storedMeanwhile.push(langfuse.account().arrivals);
      refused += await unavailable(sidecar);
    }
    for (const { langfuse } of opened) await langfuse.setFault(undefined);
    deadlineMs = performance.now() + backoffMs;
  });
  afterAll(async () => {
    for (const client of clients.flatMap((map) => [...map.values()])) client.kill();
    for (const site of opened) await site.close();
  });

  it("the clients came and went while it was away: nothing was refused, and nothing had reached it", () => {
    expect({ refused, storedMeanwhile }).toEqual({ refused: 0, storedMeanwhile: [0, 0] });
  });

  it("the sidecar itself is well, prompts that it has seen are answered, the rest is a 502 that says why", () => {
    expect(lookUps["health"]).toMatchObject({ status: 200 });
    expect(lookUps["v2/prompts/greeting"]).toEqual(lookUps["prompt before"]);
    expect(lookUps["v2/prompts/greeting"]).toMatchObject({ status: 200, body: { name: "greeting" } });
    expect(lookUps["traces"]).toMatchObject({ status: 502, body: { message: expect.any(String) } });
  });

  describe.each(sites)("before a server of the $generation route", ({ generation, names }) => {
    const index = generation === "otlp" ? 0 : 1;

    it.each(names)("%s: handed over at once, stored afterwards, once", async (name) => {
      const client = clients[index]?.get(name) as Client;
      const { langfuse, sidecar } = opened[index] as Site;
      await client.ended();
      expect(client.givenUp).toEqual([]);
      expect(await missingAt(deadlineMs, client, langfuse), sidecar.said).toEqual([]);
      expect(twice(client, langfuse)).toEqual([]);
    });
  });
});
