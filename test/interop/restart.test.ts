/** The sidecar is killed while all clients send, and started again: they come back by their own rules. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, type ClientName, clientNames, legacyNames, type Made } from "./clients.ts";
import { arrivals, missingAfter, openSite, type Site } from "./site.ts";

/** Units that each client has behind it when the sidecar is killed. */
const unitsBefore = 4;
const options = {
  count: 40,
  paceMs: 300,
  // By default it gives up within three seconds, at random.
  env: { MAX_RETRIES: "10" },
};
/** What the sidecar sent so shortly before its end may have been stored without its knowing. */
const inFlightMs = 2_000;

const sites = [
  { generation: "otlp", names: clientNames },
  { generation: "ingestion", names: legacyNames },
] as const;

/** Scores that the SDK does not send again when the connection was refused, or not for long enough. */
const losesScores: ReadonlySet<ClientName> = new Set(["Langfuse Python 5", "Langfuse JS 5"]);

describe("the sidecar killed and started again", () => {
  const opened: Site[] = [];
  const clients: Map<ClientName, Client>[] = [];
  /** Ids that a stand-in got in the last moments before the kill. */
  const lateAtLangfuse: Set<string>[] = [];
  let killedAtMs = 0;
  let backAtMs = 0;

  beforeAll(async () => {
    for (const { generation } of sites) opened.push(await openSite(generation));
    for (const [index, { names }] of sites.entries()) {
      const { sidecar } = opened[index] as Site;
      clients.push(new Map(names.map((name) => [name, new Client(name, sidecar.url, options)])));
    }
    const all = clients.flatMap((map) => [...map.values()]);
    while (!all.every((client) => client.hasEnded || client.observations.length >= unitsBefore * 3)) await sleep(50);
    const before = opened.map(({ langfuse }) => langfuse.ids());
    await sleep(inFlightMs);
    killedAtMs = Date.now();
    await Promise.all(opened.map(({ sidecar }) => sidecar.kill()));
    await Promise.all(opened.map(({ sidecar }) => sidecar.start()));
    backAtMs = Date.now();
    // What the stand-ins have now came from before the kill: a new sidecar cannot have sent yet, or it is the same span.
    for (const [index, { langfuse }] of opened.entries()) {
      const known = before[index] ?? {};
      lateAtLangfuse.push(new Set(Object.keys(langfuse.ids()).filter((id) => !(id in known))));
    }
    await Promise.allSettled(all.map((client) => client.ended()));
  });
  afterAll(async () => {
    for (const client of clients.flatMap((map) => [...map.values()])) client.kill();
    for (const site of opened) await site.close();
  });

  /** Sent before the kill, not answered by then: the answer may have been lost, and the client sent it again. */
  function unanswered({ sendings }: Client): ReadonlySet<string> {
    const open = sendings.filter(({ startedAtMs, endedAtMs }) => startedAtMs <= killedAtMs && endedAtMs >= killedAtMs);
    return new Set(open.flatMap(({ ids }) => ids));
  }

  describe.each(sites)("before a server of the $generation route", ({ generation, names }) => {
    const index = generation === "otlp" ? 0 : 1;
    const clientOf = (name: ClientName): Client => clients[index]?.get(name) as Client;

    it.each(names)("%s was in the middle of it", async (name) => {
      const client = clientOf(name);
      await client.ended();
      const times = client.sendings.map(({ endedAtMs }) => endedAtMs);
      expect(Math.min(...times)).toBeLessThan(killedAtMs);
      expect(Math.max(...times)).toBeGreaterThan(backAtMs);
    });

    it.each(names)("%s gives no observation up", (name) => {
      const { givenUp, observations, stderr } = clientOf(name);
      expect(
        givenUp.filter((made) => observations.includes(made)),
        stderr,
      ).toEqual([]);
    });

    it.each(names)("%s: all that it takes for delivered is stored", async (name) => {
      const { langfuse, sidecar } = opened[index] as Site;
      expect(await missingAfter(clientOf(name), langfuse, 60_000), sidecar.said).toEqual([]);
    });

    it.each(names)("%s: twice only what was under way at the kill", (name) => {
      const client = clientOf(name);
      const { langfuse } = opened[index] as Site;
      const arrived = arrivals(client, langfuse);
      const mayBeTwice = unanswered(client);
      const isLate = ({ id }: Made): boolean => lateAtLangfuse[index]?.has(id) === true;
      const twice = client.observations.filter((made) => arrived(made) > 1);
      expect(twice.filter((made) => !mayBeTwice.has(made.id) && !isLate(made))).toEqual([]);
    });

    it.each(names.filter((name) => !losesScores.has(name)))("%s gives no score up", (name) => {
      const { givenUp, scores } = clientOf(name);
      expect(givenUp.filter((made) => scores.includes(made))).toEqual([]);
    });
  });
});
