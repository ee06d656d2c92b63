import { existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { resolveOptions } from "../../src/options.ts";
import { RunningProject } from "../../src/server/running-project.ts";
import type { StandIn } from "../../src/stand-in/index.ts";
import { standIn, until } from "../support/buffers.ts";
import { basic, otlpJson, recordingLog, sidecarFor, standInKeys, type TestSidecar } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const acme = { name: "acme", publicKey: "pk-lf-acme", secretKey: "sk-lf-acme-secret" };
const globex = { name: "globex", publicKey: "pk-lf-globex", secretKey: "sk-lf-globex-secret" };

interface Entry {
  name: string;
  publicKey: string;
  secretKey: string;
  baseUrl?: string;
}

interface FileSidecar extends TestSidecar {
  write(entries: readonly Entry[] | string): void;
}

async function sidecarWith(baseUrl: string, entries: readonly Entry[]): Promise<FileSidecar> {
  const projectsFile = join(temporaryDirectory(), "projects.json");
  const write = (content: readonly Entry[] | string): void =>
    writeFileSync(projectsFile, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
  write(entries);
  const sidecar = await sidecarFor(baseUrl, { projectsFile, buffer: { shutdownTimeoutMs: 500 } });
  return Object.assign(sidecar, { write });
}

async function send({ url }: TestSidecar, keys: Entry | undefined, body: string): Promise<number> {
  const headers = { "content-type": "application/json", ...(keys === undefined ? {} : { authorization: basic(keys) }) };
  return (await fetch(`${url}/v1/traces`, { method: "POST", headers, body })).status;
}

function keysOf({ publicKey, secretKey }: Entry): { publicKey: string; secretKey: string } {
  return { publicKey, secretKey };
}

function namesAt(server: StandIn): string[] {
  return server.spans().map(({ name }) => name ?? "");
}

describe("several projects", () => {
  it("get their own spans and no others, in mixed requests", { timeout: 120_000 }, async () => {
    const servers = { acme: await standIn(acme), globex: await standIn(globex) };
    const sidecar = await sidecarWith("http://127.0.0.1:9", [
      { ...acme, baseUrl: servers.acme.url },
      { ...globex, baseUrl: servers.globex.url },
    ]);
    const requests = 10_000;
    for (let first = 0; first < requests; first += 20) {
      const statuses = await Promise.all(
        Array.from({ length: 20 }, (_, index) => {
          const project = (first + index) % 3 === 0 ? globex : acme;
          return send(sidecar, project, otlpJson(`${project.name} ${first + index}`));
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
    await until(() => servers.acme.account().spans + servers.globex.account().spans === requests);
    for (const name of ["acme", "globex"] as const) {
      expect(servers[name].account()).toMatchObject({ spans: name === "acme" ? 6_666 : 3_334, twice: 0 });
      expect(namesAt(servers[name]).filter((each) => !each.startsWith(`${name} `))).toEqual([]);
    }
  });

  it("with one host are told apart by their keys: each span is sent with its project's", async () => {
    const langfuse = await standIn(acme);
    const sidecar = await sidecarWith(langfuse.url, [acme, globex]);
    expect(await send(sidecar, acme, otlpJson("acme"))).toBe(200);
    expect(await send(sidecar, globex, otlpJson("globex"))).toBe(200);
    await until(() => langfuse.account().spans === 1 && (langfuse.account().requestsByStatus["401"] ?? 0) > 0);
    // The other's keys are refused there, and its span stays.
    expect(namesAt(langfuse)).toEqual(["acme"]);
  });

  it("ask for a header", async () => {
    const sidecar = await sidecarWith("http://127.0.0.1:9", [acme, globex]);
    expect(await send(sidecar, undefined, otlpJson("whose"))).toBe(401);
    expect(await send(sidecar, { ...acme, secretKey: globex.secretKey }, otlpJson("mixed"))).toBe(401);
  });
});

describe("reading the keys again", () => {
  it("adds, removes and renames, and says so without a secret", async () => {
    const langfuse = await standIn(globex);
    const sidecar = await sidecarWith(langfuse.url, [acme]);
    expect(await send(sidecar, globex, otlpJson("too early"))).toBe(401);
    sidecar.write([globex]);
    await sidecar.reload();
    expect(await send(sidecar, acme, otlpJson("too late"))).toBe(401);
    expect(await send(sidecar, globex, otlpJson("in time"))).toBe(200);
    await until(() => namesAt(langfuse).includes("in time"));
    sidecar.write([{ ...globex, name: "initech" }]);
    await sidecar.reload();
    expect(await send(sidecar, globex, otlpJson("renamed"))).toBe(200);
    const changes = sidecar.log.filter(({ message }) => message === "the projects file was read again");
    expect(changes.map(({ fields }) => fields)).toEqual([
      { added: ["globex"], removed: ["acme"], changed: [], renamed: [], projects: ["globex"] },
      { added: [], removed: [], changed: [], renamed: ["globex to initech"], projects: ["initech"] },
    ]);
    expect(JSON.stringify(sidecar.log)).not.toMatch(/-secret/);
  });

  it("loses no span when a secret changes: what waited goes with the new one", { timeout: 60_000 }, async () => {
    const langfuse = await standIn(acme);
    const old = { ...acme, secretKey: "sk-lf-old-secret" };
    const sidecar = await sidecarWith(langfuse.url, [old]);
    expect(await send(sidecar, old, otlpJson("before", 50))).toBe(200);
    await until(() => (langfuse.account().requestsByStatus["401"] ?? 0) > 0);
    sidecar.write([acme]);
    await sidecar.reload();
    expect(await send(sidecar, old, otlpJson("old key"))).toBe(401);
    expect(await send(sidecar, acme, otlpJson("after", 50))).toBe(200);
    // Journals that were left behind are looked for every 30 s.
    await until(() => langfuse.account().spans === 100);
    expect(langfuse.account().twice).toBe(0);
    expect(sidecar.log.find(({ message }) => message === "the projects file was read again")?.fields).toMatchObject({
      changed: ["acme"],
    });
  });

  it("lets a request under way finish with the keys that it came with", async () => {
    const langfuse = await standIn(acme);
    const old = { ...acme, secretKey: "sk-lf-old-secret" };
    const sidecar = await sidecarWith(langfuse.url, [old]);
    const body = otlpJson("under way");
    const socket = connect(Number(new URL(sidecar.url).port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const head = [
      "POST /v1/traces HTTP/1.1",
      "host: sidecar",
      "content-type: application/json",
      `authorization: ${basic(old)}`,
      `content-length: ${Buffer.byteLength(body)}`,
      "",
      body.slice(0, 20),
    ];
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.write(head.join("\r\n"));
    // The sidecar has its headers.
    while (!(await (await fetch(`${sidecar.url}/metrics`)).text()).includes("http_server_active_requests 2")) continue;
    sidecar.write([acme]);
    await sidecar.reload();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    socket.write(body.slice(20));
    await until(() => answer.includes("\r\n\r\n"));
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    await sidecar.close(2_000);
    // Whoever comes next with that public key finds it in the journal.
    await sidecarFor(langfuse.url, { buffer: { ...keysOf(acme), directory: sidecar.directory } });
    await until(() => langfuse.account().spans === 1);
  });

  it.each([
    ["is no JSON", "{"],
    ["has a fault", JSON.stringify([{ ...acme, secretKey: "" }])],
    ["is empty", "[]"],
  ])("keeps the old ones when the file %s, and logs it", async (_, content) => {
    const langfuse = await standIn(acme);
    const sidecar = await sidecarWith(langfuse.url, [acme]);
    sidecar.write(content);
    await sidecar.reload();
    expect(await send(sidecar, acme, otlpJson("kept"))).toBe(200);
    await until(() => langfuse.account().spans === 1);
    const errors = sidecar.log.filter(({ level }) => level === "error").map(({ message }) => message);
    expect(errors).toEqual([
      expect.stringMatching(/^what was read again cannot be used, and changes nothing: the projects file/),
    ]);
  });

  it("without a file changes nothing, and says so", async () => {
    const sidecar = await sidecarFor("http://127.0.0.1:9", { buffer: standInKeys });
    await sidecar.reload();
    expect(sidecar.log.at(-1)?.message).toMatch(/there is no projects file/);
  });
});

function projectWith(baseUrl: string, directory: string, sampleRate = 1): RunningProject {
  const { log } = recordingLog();
  const options = resolveOptions({ ...standInKeys, baseUrl, directory, sampleRate, flushInterval: 0.05 });
  const running = new RunningProject("p", options, log);
  onTestFinished(async () => {
    await running.shutdown(1_000);
  });
  return running;
}

describe("the buffers of a project", () => {
  const event = {
    traceId: "0".repeat(32),
    spanId: "1".repeat(16),
    name: "e",
    startTimeUnixNano: "1",
    endTimeUnixNano: "2",
  };

  it("are one until there are events, and two at once when an earlier process left some", async () => {
    const directory = temporaryDirectory();
    const running = projectWith("http://127.0.0.1:9", directory);
    expect(running.pipelines().map(({ kind }) => kind)).toEqual(["spans"]);
    expect(existsSync(join(directory, "events"))).toBe(false);
    running.events.offer(event);
    expect(await running.events.whenCommitted(running.events.sequence, 20_000)).toBe(true);
    expect(running.pipelines().map(({ kind }) => kind)).toEqual(["spans", "events"]);
    await running.shutdown(500);
    const next = projectWith("http://127.0.0.1:9", directory);
    expect(next.pipelines().map(({ kind }) => kind)).toEqual(["spans", "events"]);
    await until(() => next.pipelines()[1]?.pipeline.stats().recovered === 1);
    // Another host's are not this project's.
    const other = projectWith("http://127.0.0.1:10", directory);
    expect(other.pipelines().map(({ kind }) => kind)).toEqual(["spans"]);
  });

  it("are closed, and say so, once it is shut down", async () => {
    const running = projectWith("http://127.0.0.1:9", temporaryDirectory());
    await running.shutdown(500);
    expect(running.events.offer(event)).toBe(false);
    expect(running.events.trouble).toMatch(/shutting down/);
    expect(await running.events.whenCommitted(0, 10)).toBe(false);
    expect(running.spans.trouble).toMatch(/shut down/);
  });

  it("keep whole traces of a sample, and take the others as done", async () => {
    const running = projectWith("http://127.0.0.1:9", temporaryDirectory(), 0.5);
    // Half of all ids lie on either side.
    const ids = Array.from({ length: 200 }, (_, index) =>
      ((index * 0x51ed_270b) >>> 0).toString(16).padStart(8, "0").repeat(4),
    );
    for (const traceId of ids) expect(running.spans.offer({ ...event, traceId })).toBe(true);
    const stats = running.pipelines()[0]?.pipeline.stats();
    expect(stats?.accepted).toBe(200);
    expect(stats?.dropped["sampled-out"]).toBeGreaterThan(50);
    expect(stats?.dropped["sampled-out"]).toBeLessThan(150);
    expect(await running.spans.whenCommitted(running.spans.sequence, 20_000)).toBe(true);
  });
});
