/** The sidecar is killed while all clients send, and started again: they come back by their own rules. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StandIn, StoredSpan } from "../../src/stand-in/index.ts";
import { Client, type ClientName, clientNames, legacyNames, type Made, programs } from "./clients.ts";
import { arrivals, missingAt, openSite, type Site } from "./site.ts";

const paceMs = 300;
/**
 * What the sidecar sent so shortly before its end may have been stored without its knowing. So may what was on its way
 * from the file of legacy events to a journal (src/buffer/held-events.ts), where it rests for up to a second.
 */
const inFlightMs = 2_000;
const restMs = 1_000;
/** For all that the sidecar has when the clients have ended. */
const deliveryMs = 60_000;

const sites = [
  { generation: "otlp", names: clientNames },
  { generation: "ingestion", names: legacyNames },
] as const;

/** Their queue of scores has a patience of its own, that no setting changes: seconds, and none. */
const losesScores: ReadonlySet<ClientName> = new Set(["Langfuse Python 5", "Langfuse JS 5"]);

describe("the sidecar killed and started again", () => {
  const opened: Site[] = [];
  const clients: Map<ClientName, Client>[] = [];
  /** Ids and names of what a stand-in got in the last moments before the kill. */
  const late: Set<string>[] = [];
  let killedAtMs = 0;
  let backAtMs = 0;
  let deadlineMs = 0;

  beforeAll(async () => {
    for (const { generation } of sites) opened.push(await openSite(generation));
    for (const [index, { names }] of sites.entries()) {
      const { sidecar } = opened[index] as Site;
      const start = (name: ClientName): Client =>
        new Client(name, sidecar.url, { paceMs, env: programs[name].patience });
      clients.push(new Map(names.map((name) => [name, start(name)])));
    }
    const all = clients.flatMap((map) => [...map.values()]);
    const each = async (hasCome: (client: Client) => boolean): Promise<void> => {
      while (!all.every((client) => client.hasEnded || hasCome(client))) await sleep(50);
    };
    await each(({ sendings }) => sendings.filter(({ ok }) => ok).length >= 3);
    const before = opened.map(({ langfuse }) => langfuse.ids());
    await sleep(inFlightMs);
    killedAtMs = Date.now();
    await Promise.all(opened.map(({ sidecar }) => sidecar.kill()));
    for (const [index, { langfuse }] of opened.entries()) late.push(namesOf(spansSince(langfuse, before[index] ?? {})));
    await Promise.all(opened.map(({ sidecar }) => sidecar.start()));
    backAtMs = Date.now();
    await each(({ sendings }) => sendings.some(({ ok, startedAtMs }) => ok && startedAtMs > backAtMs));
    for (const client of all) client.finish();
    await Promise.allSettled(all.map((client) => client.ended()));
    deadlineMs = performance.now() + deliveryMs;
  });
  afterAll(async () => {
    for (const client of clients.flatMap((map) => [...map.values()])) client.kill();
    for (const site of opened) await site.close();
  });

  /**
   * Whose answer may have been lost, so that the client sent them again: under way at the kill, or failed for want of an
   * answer at another time (a machine that is too busy). What was refused while nobody listened has never arrived.
   */
  function unanswered({ sendings }: Client): ReadonlySet<string> {
    const open = sendings.filter(({ startedAtMs, endedAtMs, ok }) => {
      const isUnderWay = startedAtMs <= killedAtMs && endedAtMs >= killedAtMs;
      return isUnderWay || (!ok && (startedAtMs < killedAtMs || startedAtMs > backAtMs));
    });
    return new Set(open.flatMap(({ ids }) => ids));
  }

  function restedAtKill({ name, sendings }: Client): ReadonlySet<string> {
    if (programs[name].isLegacy !== true) return new Set();
    const fromMs = killedAtMs - inFlightMs - restMs;
    const recent = sendings.filter(({ endedAtMs }) => endedAtMs > fromMs && endedAtMs < killedAtMs);
    return new Set(recent.flatMap(({ ids }) => ids));
  }

  /** For the message: when, seen from the kill, and whether with success. */
  function sendingsOf({ sendings }: Client, { id }: Made): string[] {
    return sendings
      .filter(({ ids }) => ids.includes(id))
      .map(({ startedAtMs, endedAtMs, ok }) => {
        return `${Math.round(startedAtMs - killedAtMs)} … ${Math.round(endedAtMs - killedAtMs)} ms: ${ok ? "ok" : "failed"}`;
      });
  }

  describe.each(sites)("before a server of the $generation route", ({ generation, names }) => {
    const index = generation === "otlp" ? 0 : 1;
    const clientOf = (name: ClientName): Client => clients[index]?.get(name) as Client;

    it.each(names)("%s was in the middle of it, and ends well", async (name) => {
      const client = clientOf(name);
      await client.ended();
      const delivered = client.sendings.filter(({ ok }) => ok);
      expect(delivered.some(({ endedAtMs }) => endedAtMs < killedAtMs)).toBe(true);
      expect(delivered.some(({ startedAtMs }) => startedAtMs > backAtMs)).toBe(true);
      expect(client.facts["flushed"]).toBe(true);
    });

    it.each(names)("%s gives nothing up", (name) => {
      const { givenUp, observations, stderr } = clientOf(name);
      const isMeant = (made: Made): boolean => !losesScores.has(name) || observations.includes(made);
      expect(givenUp.filter(isMeant), `back after ${backAtMs - killedAtMs} ms; ${stderr}`).toEqual([]);
    });

    it.each(names)("%s: all that it takes for delivered is stored", async (name) => {
      const { langfuse, sidecar } = opened[index] as Site;
      expect(await missingAt(deadlineMs, clientOf(name), langfuse), sidecar.said).toEqual([]);
    });

    it.each(names)("%s: twice only what was under way at the kill", (name) => {
      const client = clientOf(name);
      const { langfuse } = opened[index] as Site;
      const arrived = arrivals(client, langfuse);
      const mayBeTwice = unanswered(client);
      const isLate = ({ id, name }: Made): boolean =>
        late[index]?.has(id) === true || late[index]?.has(name) === true || restedAtKill(client).has(id);
      const twice = client.observations.filter((made) => arrived(made) > 1);
      const unexplained = twice.filter((made) => !mayBeTwice.has(made.id) && !isLate(made));
      expect(unexplained.map((made) => ({ ...made, sendings: sendingsOf(client, made) }))).toEqual([]);
    });
  });
});

function spansSince(langfuse: StandIn, before: Readonly<Record<string, number>>): StoredSpan[] {
  return langfuse.spans().filter(({ id }) => !(id in before));
}

/** By its name an observation is known whose id is another one as a span; the names of the others say nothing. */
function namesOf(spans: readonly StoredSpan[]): Set<string> {
  return new Set(spans.flatMap(({ id, name }) => (/^(py2|js3)-/.test(name ?? "") ? [id, name ?? ""] : [id])));
}
