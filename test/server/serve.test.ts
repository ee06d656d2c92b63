import { readFileSync, writeFileSync } from "node:fs";
import { request as tlsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type PeerCertificate, type TLSSocket, connect as tlsConnect } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSidecar } from "../../src/server/serve.ts";
import { standIn, until } from "../support/buffers.ts";
import { makeAuthority, makeServerCertificate } from "../support/certificates.ts";
import { basic, otlpJson, recordingLog, sidecarFor, standInKeys, type TestSidecar } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const nowhere = "http://127.0.0.1:9";

interface RawClient {
  socket: Socket;
  received: () => string;
  isClosed: () => boolean;
}

function rawClient({ url }: TestSidecar, text = ""): RawClient {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let received = "";
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(text);
  return { socket, received: () => received, isClosed: () => isClosed };
}

async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`${url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  await response.text();
  return response.status;
}

describe("starting", () => {
  it("without keys takes and journals on a loopback address, and says so once", async () => {
    const sidecar = await sidecarFor(nowhere);
    expect(await post(sidecar.url, otlpJson("one"))).toBe(200);
    expect(await post(sidecar.url, otlpJson("two"), { authorization: "Bearer whoever" })).toBe(200);
    await until(() => sidecar.log.some(({ level }) => level === "warn"));
    const said = sidecar.log.filter(({ message }) => message.startsWith("no Langfuse keys"));
    expect(said).toEqual([
      expect.objectContaining({ level: "warn", fields: { project: "default", buffer: "spans" } }) as unknown,
    ]);
  });

  const refused: readonly [what: string, options: Parameters<typeof startSidecar>[0], words: RegExp][] = [
    ["any other address without keys", { host: "0.0.0.0" }, /^listening on 0\.0\.0\.0 is refused without keys/],
    ["every address of IPv6 without keys", { host: "::" }, /^listening on :: is refused without keys/],
    [
      "durability overflow",
      { buffer: { durability: "overflow" } },
      /"overflow" is not for a sidecar: it answers 200 only/,
    ],
    ["tracing that is off", { buffer: { enabled: false } }, /^tracing is off/],
    ["destinations", { buffer: { destinations: {} } }, /a sidecar has projectsFile/],
    ["one key of two", { buffer: { publicKey: "pk-lf-x" } }, /^the secret key is missing/],
    ["half of TLS", { tlsKeyFile: "x" }, /^TLS needs both/],
    ["an unknown option", { hots: "x" } as object, /^unknown option "hots"/],
    ["a port that is none", { port: 65_536 }, /^option "port" 65536 is not allowed: 0 … 65535/],
    [
      "a session without a name",
      { traceDefaults: { sessionId: "" } },
      /^option "traceDefaults" .*at most 200 characters/,
    ],
    ["an option of the buffer", { buffer: { batchSize: 0 } }, /^option "batchSize" 0 is not allowed/],
    ["several at once", { port: -1, buffer: { batchSize: 0 } }, /"port" -1.*; option "batchSize" 0/],
  ];

  it.each(refused)("refuses %s, and says why", async (_, options, words) => {
    await expect(startSidecar({ port: 0, logLevel: "silent", ...options })).rejects.toThrow(words);
    await expect(startSidecar({ port: 0, logLevel: "silent", ...options })).rejects.toThrow(TypeError);
  });

  it("refuses a port that is in use, before anything else is started", async () => {
    const first = await sidecarFor(nowhere);
    const directory = join(temporaryDirectory(), "journals");
    const port = Number(new URL(first.url).port);
    const again = startSidecar({ port, buffer: { directory, baseUrl: nowhere } }, recordingLog());
    await expect(again).rejects.toThrow(/^cannot listen on 127\.0\.0\.1, port \d+: the port is in use/);
    expect(() => readFileSync(directory)).toThrow(/ENOENT/);
  });

  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "localhost"],
    ["0.0.0.0", "127.0.0.1"],
  ])("refuses to be its own Langfuse (listening on %s, base URL %s)", async (host, name) => {
    const probe = await sidecarFor(nowhere);
    const { port } = new URL(probe.url);
    await probe.close(500);
    const buffer = { ...standInKeys, baseUrl: `http://${name}:${port}`, directory: temporaryDirectory() };
    await expect(startSidecar({ host, port: Number(port), buffer }, recordingLog())).rejects.toThrow(
      /is this sidecar's own address: LANGFUSE_BASE_URL leads bots to the sidecar/,
    );
    // The port is free again.
    await (await startSidecar({ port: Number(port), buffer: { ...buffer, baseUrl: nowhere } }, recordingLog())).close(
      500,
    );
  });

  it("with keys on any other address asks everybody for them", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { host: "0.0.0.0", buffer: standInKeys });
    expect(await post(sidecar.url, otlpJson("none"))).toBe(401);
    expect(await post(sidecar.url, otlpJson("right"), { authorization: basic(standInKeys) })).toBe(200);
    await until(() => langfuse.account().spans === 1);
  });

  it("answers what it does not know with 404 in JSON", async () => {
    const { url } = await sidecarFor(nowhere);
    const response = await fetch(`${url}/v1/metrics`, { method: "POST" });
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ message: expect.stringContaining("/v1/traces") as string });
  });
});

describe("limits", () => {
  const quick = { requestTimeoutMs: 300, idleTimeoutMs: 300 };
  const head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";

  it.each([
    ["says nothing", ""],
    ["never ends its headers", head],
    ["never ends its body", `${head}content-length: 1000\r\n\r\n{`],
    ["never ends a chunk", `${head}transfer-encoding: chunked\r\n\r\nff\r\n{`],
  ])("a client that %s is ended, and holds nobody up", async (_, text) => {
    const sidecar = await sidecarFor(nowhere, quick);
    const slow = Array.from({ length: 20 }, () => rawClient(sidecar, text));
    expect(await post(sidecar.url, otlpJson("between"))).toBe(200);
    await until(() => slow.every(({ isClosed }) => isClosed()));
    for (const { received } of slow) expect(received()).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it("a client that drips its headers or its body is ended too", async () => {
    const sidecar = await sidecarFor(nowhere, quick);
    const dripping = [rawClient(sidecar, head), rawClient(sidecar, `${head}content-length: 100000\r\n\r\n`)];
    const drip = setInterval(() => {
      for (const { socket } of dripping) socket.write("a");
    }, 20);
    onTestFinished(() => clearInterval(drip));
    await until(() => dripping.every(({ isClosed }) => isClosed()));
  });

  it("headers beyond 16 KiB get 431", async () => {
    const sidecar = await sidecarFor(nowhere);
    const client = rawClient(sidecar, `GET /livez HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(17 * 1024)}\r\n\r\n`);
    await until(client.isClosed);
    expect(client.received()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each(["not http at all\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n", "GET /livez HTTP/9.9\r\nhost: a\r\n\r\n"])(
    "%j gets 400",
    async (text) => {
      const sidecar = await sidecarFor(nowhere);
      const client = rawClient(sidecar, text);
      await until(client.isClosed);
      expect(client.received()).toMatch(/^HTTP\/1\.1 400 /);
      expect(await post(sidecar.url, otlpJson("after"))).toBe(200);
    },
  );

  it("connections beyond the limit are closed, and free again when others go", async () => {
    const sidecar = await sidecarFor(nowhere, { maxConnections: 2 });
    const ask = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    const taken = [rawClient(sidecar, ask), rawClient(sidecar, ask)];
    await until(() => taken.every(({ received }) => received().startsWith("HTTP/1.1 200")));
    const third = rawClient(sidecar, ask);
    await until(third.isClosed);
    expect(third.received()).toBe("");
    expect(sidecar.log.filter(({ level }) => level === "warn").map(({ message }) => message)).toContain(
      "a connection was refused: 2 are open, and --max-connections allows no more",
    );
    taken[0]?.socket.destroy();
    let fourth = rawClient(sidecar, ask);
    await until(() => {
      if (fourth.isClosed()) fourth = rawClient(sidecar, ask);
      return fourth.received().startsWith("HTTP/1.1 200");
    });
  });

  it("a connection without a request is closed after the idle time", async () => {
    const sidecar = await sidecarFor(nowhere, { idleTimeoutMs: 200 });
    const client = rawClient(sidecar, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    await until(() => client.received().startsWith("HTTP/1.1 200"));
    await until(client.isClosed);
  });
});

describe("closing", () => {
  it("lets a request under way be committed and answered, takes no other, and delivers", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: { ...standInKeys, flushInterval: 30 } });
    const body = otlpJson("last");
    const head = `POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const client = rawClient(sidecar, head + body.slice(0, 10));
    while (!(await (await fetch(`${sidecar.url}/metrics`)).text()).includes("http_server_active_requests 2")) continue;
    const closed = sidecar.close(20_000);
    await expect(fetch(`${sidecar.url}/livez`)).rejects.toThrow();
    client.socket.write(body.slice(10));
    await closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 200 /);
    expect(client.received()).toMatch(/^connection: close\r$/im);
    expect(langfuse.account()).toMatchObject({ spans: 1, twice: 0 });
  });

  it("leaves in the journal what cannot be delivered, for the next", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "down" });
    const first = await sidecarFor(langfuse.url, { buffer: standInKeys });
    expect(await post(first.url, otlpJson("kept", 7))).toBe(200);
    await first.close(1_000);
    expect(first.log.at(-1)).toMatchObject({ message: "shut down", fields: { pending: 7 } });
    await langfuse.setFault(undefined);
    await sidecarFor(langfuse.url, { buffer: { ...standInKeys, directory: first.directory } });
    await until(() => langfuse.account().spans === 7);
    expect(langfuse.account().twice).toBe(0);
  });

  it("ends a request that does not come to its end", async () => {
    const sidecar = await sidecarFor(nowhere);
    const client = rawClient(
      sidecar,
      "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n",
    );
    while (!(await (await fetch(`${sidecar.url}/metrics`)).text()).includes("http_server_active_requests 2")) continue;
    await sidecar.close(500);
    await until(client.isClosed);
  });
});

type TlsPaths = Record<"tlsCertificateFile" | "tlsKeyFile", string>;

function startWith(paths: TlsPaths): Promise<unknown> {
  return startSidecar({ port: 0, logLevel: "silent", ...paths });
}

describe("TLS", () => {
  const authority = makeAuthority("sidecar test");

  function files(): { paths: TlsPaths; renew: (name: string) => void } {
    const directory = temporaryDirectory();
    const [tlsCertificateFile, tlsKeyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    const renew = (name: string): void => {
      const { cert, key } = makeServerCertificate(authority, [name]);
      writeFileSync(tlsCertificateFile, cert);
      writeFileSync(tlsKeyFile, key, { mode: 0o600 });
    };
    renew("first.example");
    return { paths: { tlsCertificateFile, tlsKeyFile }, renew };
  }

  function peer({ url }: TestSidecar): Promise<PeerCertificate> {
    return new Promise((resolve, reject) => {
      const socket: TLSSocket = tlsConnect(
        { port: Number(new URL(url).port), host: "127.0.0.1", ca: authority.certificate },
        () => {
          resolve(socket.getPeerCertificate());
          socket.destroy();
        },
      );
      socket.on("error", reject);
    });
  }

  it("is served, and its files are read again", async () => {
    const { paths, renew } = files();
    const sidecar = await sidecarFor(nowhere, paths);
    expect(sidecar.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = tlsRequest(`${sidecar.url}/livez`, { ca: authority.certificate }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on("error", reject);
      asked.end();
    });
    expect(status).toBe(200);
    expect((await peer(sidecar)).subjectaltname).toContain("first.example");
    renew("second.example");
    await sidecar.reload();
    expect((await peer(sidecar)).subjectaltname).toContain("second.example");
    writeFileSync(paths.tlsKeyFile, "no key");
    await sidecar.reload();
    expect((await peer(sidecar)).subjectaltname).toContain("second.example");
    expect(sidecar.log.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  it("that cannot work is refused at start, with the files' names", async () => {
    const { paths: one } = files();
    const { paths: other } = files();
    await expect(startWith({ ...one, tlsKeyFile: other.tlsKeyFile })).rejects.toThrow(
      /the key is not the certificate's/,
    );
    await expect(startWith({ ...one, tlsCertificateFile: "/nowhere/cert.pem" })).rejects.toThrow(
      "the TLS certificate /nowhere/cert.pem cannot be read: there is no such file",
    );
    writeFileSync(one.tlsCertificateFile, "-----BEGIN NONSENSE-----");
    await expect(startWith(one)).rejects.toThrow(/not PEM as TLS needs it/);
  });

  it("that waits for a handshake holds nobody up", async () => {
    const { paths } = files();
    const sidecar = await sidecarFor(nowhere, { ...paths, requestTimeoutMs: 300 });
    const silent = rawClient(sidecar);
    await until(silent.isClosed);
  });
});
