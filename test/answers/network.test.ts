/** The way to the server: names, certificates, addresses. By each way, in a process of its own, on loopback. */
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { standIn, until } from "../support/buffers.ts";
import { makeAuthority, makeServerCertificate } from "../support/certificates.ts";
import { listen } from "../support/listen.ts";
import { namesOf } from "../support/names.ts";
import { remoteBuffer } from "../support/remote-buffer.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { tlsFront } from "../support/tls-front.ts";
import { ways } from "./ways.ts";

const hostName = "langfuse.test";

async function hasIPv6(): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, "::1");
    server.close();
    return true;
  } catch {
    return false;
  }
}

/** Listens on [::1] and never accepts: once its queue is full, connecting hangs. */
async function hangingIPv6(port: number): Promise<void> {
  const listener = `
    const { createServer } = require("node:net");
    const { parentPort, workerData } = require("node:worker_threads");
    createServer().listen({ host: "::1", port: workerData, backlog: 1 }, () => {
      parentPort.postMessage("listening");
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`;
  const worker = new Worker(listener, { eval: true, workerData: port, execArgv: [] });
  onTestFinished(async () => void (await worker.terminate()));
  await new Promise((resolve) => worker.once("message", resolve));
  for (;;) {
    const socket = connect(port, "::1");
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
    const isConnected = await Promise.race([
      new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true))),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300)),
    ]);
    if (!isConnected) return;
  }
}

const isIPv6 = await hasIPv6();

describe.each(ways)("$name", ({ transport, options }) => {
  test("a name that DNS does not know, and then does", async () => {
    const server = await standIn({ generation: transport });
    const names = namesOf({});
    const buffer = remoteBuffer({ ...options, baseUrl: `http://${hostName}:${server.port}` }, names.env);
    buffer.end(50);
    await until(() => buffer.said.some((text) => /its name is not known to DNS/.test(text)));
    expect(buffer.stats()).toMatchObject({ pending: 50, acknowledged: 0 });
    names.set({ [hostName]: ["127.0.0.1"] });
    await buffer.drain(50);
    expect(server.account()).toMatchObject({ spans: 50, twice: 0 });
    // A name that is lost while spans flow is found again too.
    names.set({});
    await server.setFault({ kind: "down" });
    await server.setFault(undefined);
    buffer.end(50);
    await until(() => buffer.stats()?.lastError?.includes("DNS") === true);
    names.set({ [hostName]: ["127.0.0.1"] });
    await buffer.drain(100);
    expect(server.account()).toMatchObject({ spans: 100, twice: 0 });
  });

  test("certificates: expired, renewed, changed, of an authority that nobody knows", async () => {
    const server = await standIn({ generation: transport });
    const authority = makeAuthority("Test authority");
    const stranger = makeAuthority("Stranger");
    const known = join(temporaryDirectory(), "authority.pem");
    writeFileSync(known, authority.certificate);
    const front = await tlsFront(server.port, makeServerCertificate(authority, ["localhost"], -1));
    const buffer = remoteBuffer(
      { ...options, baseUrl: `https://127.0.0.1:${front.port}` },
      { NODE_EXTRA_CA_CERTS: known },
    );
    buffer.end(50);
    await until(() => buffer.said.some((text) => /its TLS certificate has expired; have it renewed/.test(text)));
    await until(() => buffer.stats()?.state === "backing-off");
    expect(buffer.stats()).toMatchObject({ pending: 50, deadLettered: 0 });

    front.use(makeServerCertificate(authority, ["localhost"]));
    await buffer.drain(50);
    const handshakes = front.handshakes();
    expect(handshakes).toBeGreaterThan(0);

    const saidBefore = buffer.said.length;
    front.use(makeServerCertificate(authority, ["localhost"]));
    buffer.end(50);
    await buffer.drain(100);
    expect(front.handshakes()).toBeGreaterThan(handshakes);
    expect(buffer.said.slice(saidBefore).filter((text) => text.includes("TLS"))).toEqual([]);

    front.use(makeServerCertificate(stranger, ["localhost"]));
    buffer.end(50);
    await until(() => buffer.said.some((text) => /does not know; .*NODE_EXTRA_CA_CERTS/.test(text)));
    front.use(makeServerCertificate(authority, ["localhost"]));
    await buffer.drain(150);
    expect(server.account()).toMatchObject({ spans: 150, twice: 0 });
    expect(buffer.stats()).toMatchObject({ pending: 0, deadLettered: 0, state: "sending" });
  });

  test.skipIf(!isIPv6)("IPv6 that hangs (skipped on a machine without IPv6): IPv4 is tried beside it", async () => {
    const server = await standIn({ generation: transport });
    await hangingIPv6(server.port);
    const names = namesOf({ [hostName]: ["::1", "127.0.0.1"] });
    const buffer = remoteBuffer({ ...options, baseUrl: `http://${hostName}:${server.port}` }, names.env);
    buffer.end(50);
    await buffer.drain(50);
    expect(server.account()).toMatchObject({ spans: 50, twice: 0 });
    expect(buffer.said).toEqual([]);
  });
});
