import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { SidecarOptions } from "../../src/server/options.ts";
import { until } from "../support/buffers.ts";
import { basic, sidecarFor, standInKeys, type TestSidecar } from "../support/sidecars.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Langfuse {
  url: string;
  server: Server;
  requests: IncomingMessage[];
  /** What it does from now on. */
  handler: Handler;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Any server in Langfuse's place, to see what comes and to answer as the test wants. */
async function langfuse(handler: Handler): Promise<Langfuse> {
  const requests: IncomingMessage[] = [];
  const self = { requests, handler } as Langfuse;
  const server = createServer((request, response) => {
    requests.push(request);
    self.handler(request, response);
  });
  const start = (port: number): Promise<void> => new Promise((done) => server.listen(port, "127.0.0.1", done));
  await start(0);
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    await new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  };
  onTestFinished(stop);
  return Object.assign(self, { url: `http://127.0.0.1:${port}`, server, stop, start: () => start(port) });
}

function withKeys(baseUrl: string, options: Partial<SidecarOptions> = {}): Promise<TestSidecar> {
  return sidecarFor(baseUrl, { ...options, buffer: { ...standInKeys, ...options.buffer } });
}

const authorization = basic(standInKeys);
const json = { "content-type": "application/json" };

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe("what is passed on", () => {
  it("answers HEAD as Langfuse does, once, and keeps the connection", async () => {
    const upstream = await langfuse((_request, response) => {
      response.writeHead(404, { ...json, "content-length": "7", "x-request-id": "r1" }).end();
    });
    const { url } = await withKeys(upstream.url);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const printed = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => printed.mockRestore());
    const isReused: boolean[] = [];
    for (let sent = 0; sent < 3; sent++) {
      const asking = request(`${url}/api/public/traces`, { method: "HEAD", agent, headers: { authorization } }).end();
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        asking.once("response", resolve).once("error", reject);
      });
      await new Promise((resolve) => answer.resume().once("end", resolve));
      expect(answer.statusCode).toBe(404);
      expect(answer.headers).toMatchObject({ "content-length": "7", "x-request-id": "r1" });
      isReused.push(asking.reusedSocket);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(isReused).toEqual([false, true, true]);
    expect(upstream.requests.map(({ method }) => method)).toEqual(["HEAD", "HEAD", "HEAD"]);
    expect(printed).not.toHaveBeenCalled();
  });

  it("keeps method, path, query, headers and body, and the caller's own Authorization", async () => {
    const bodies: string[] = [];
    const upstream = await langfuse((request, response) => {
      void bodyOf(request).then((body) => {
        bodies.push(body);
        response.writeHead(201, { ...json, "x-request-id": "r1" }).end('{"id":"d1"}');
      });
    });
    const { url } = await withKeys(upstream.url);
    const response = await fetch(`${url}/api/public/v2/datasets?a=1&b=%2F&b=2`, {
      method: "PUT",
      headers: { authorization, ...json, "x-mine": "kept" },
      body: '{"name":"n"}',
    });
    expect(response.status).toBe(201);
    expect(response.headers.get("x-request-id")).toBe("r1");
    expect(await response.json()).toEqual({ id: "d1" });
    const [request] = upstream.requests;
    expect(request?.method).toBe("PUT");
    expect(request?.url).toBe("/api/public/v2/datasets?a=1&b=%2F&b=2");
    expect(request?.headers).toMatchObject({ authorization, "x-mine": "kept", "content-length": "12" });
    expect(request?.headers.host).toBe(new URL(upstream.url).host);
    expect(bodies).toEqual(['{"name":"n"}']);
  });

  it("goes below the base URL's own path", async () => {
    const upstream = await langfuse((_, response) => response.end("{}"));
    const { url } = await withKeys(`${upstream.url}/langfuse`);
    await fetch(`${url}/api/public/projects`, { headers: { authorization } });
    expect(upstream.requests[0]?.url).toBe("/langfuse/api/public/projects");
  });

  it("leaves out what belongs to one connection, on both ways", async () => {
    const upstream = await langfuse((_, response) => {
      response.writeHead(200, { ...json, connection: "x-own, keep-alive", "x-own": "1", "keep-alive": "timeout=9" });
      response.end("{}");
    });
    const { url } = await withKeys(upstream.url);
    const answer = await raw(url, [
      "GET /api/public/projects HTTP/1.1",
      "host: sidecar",
      `authorization: ${authorization}`,
      "connection: close, x-hop",
      "x-hop: 1",
      "te: trailers",
      "proxy-authorization: Basic eA==",
      "x-end: 1",
    ]);
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    expect(answer).not.toMatch(/x-own|timeout=9/i);
    const { headers } = upstream.requests[0] as IncomingMessage;
    expect(headers["x-end"]).toBe("1");
    for (const name of ["x-hop", "te", "proxy-authorization"]) expect(headers[name]).toBeUndefined();
  });

  it("passes redirects, errors and compressed bodies as they are", async () => {
    const upstream = await langfuse((request, response) => {
      if (request.url === "/api/public/a") response.writeHead(307, { location: "https://elsewhere.example/x" }).end();
      else if (request.url === "/api/public/b") response.writeHead(404, json).end('{"message":"no","error":"X"}');
      else response.writeHead(200, { ...json, "content-encoding": "gzip" }).end(gzipSync('{"z":1}'));
    });
    const { url } = await withKeys(upstream.url);
    const headers = { authorization };
    const redirect = await fetch(`${url}/api/public/a`, { headers, redirect: "manual" });
    expect([redirect.status, redirect.headers.get("location")]).toEqual([307, "https://elsewhere.example/x"]);
    const missing = await fetch(`${url}/api/public/b`, { headers });
    expect([missing.status, await missing.json()]).toEqual([404, { message: "no", error: "X" }]);
    expect(await (await fetch(`${url}/api/public/c`, { headers })).json()).toEqual({ z: 1 });
  });

  it("streams both ways: nothing waits for a body to be whole", async () => {
    const upstream = await langfuse((request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      request.on("data", (chunk: Buffer) => response.write(`got ${chunk.toString()};`));
      request.on("end", () => response.end("end"));
    });
    const { url } = await withKeys(upstream.url);
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    const head = [
      "POST /api/public/media HTTP/1.1",
      "host: a",
      `authorization: ${authorization}`,
      "transfer-encoding: chunked",
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n3\r\none\r\n`);
    await until(() => answer.includes("got one;"));
    socket.write("3\r\ntwo\r\n");
    await until(() => answer.includes("got two;"));
    socket.write("0\r\n\r\n");
    await until(() => answer.includes("end"));
  });

  it("does not hold a connection to Langfuse for a caller that went away", async () => {
    let isClosed = false;
    const upstream = await langfuse((_request, response) => {
      response.on("close", () => {
        isClosed = true;
      });
    });
    const { url } = await withKeys(upstream.url);
    const controller = new AbortController();
    const asked = fetch(`${url}/api/public/traces`, { headers: { authorization }, signal: controller.signal });
    await until(() => upstream.requests.length === 1);
    controller.abort();
    await expect(asked).rejects.toThrow();
    await until(() => isClosed);
  });

  it.each(["content-length", "chunked"])("breaks off an answer that broke off (%s)", async (way) => {
    const upstream = await langfuse((_request, response) => {
      response.writeHead(200, { ...json, ...(way === "chunked" ? {} : { "content-length": "100" }) });
      response.write("half");
      setTimeout(() => response.destroy(), 20);
    });
    const { url } = await withKeys(upstream.url);
    const response = await fetch(`${url}/api/public/traces`, { headers: { authorization } });
    await expect(response.text()).rejects.toThrow();
  });

  it("asks again on a connection that Langfuse had closed, when that does no harm", async () => {
    const upstream = await langfuse((request, response) => {
      // The first answer keeps the connection; the next request on it is met with silence.
      if (upstream.requests.filter(({ socket }) => socket === request.socket).length > 1) request.socket.destroy();
      else response.writeHead(200, json).end("{}");
    });
    const { url } = await withKeys(upstream.url);
    const ask = async (): Promise<number> =>
      (await fetch(`${url}/api/public/projects`, { headers: { authorization } })).status;
    expect([await ask(), await ask()]).toEqual([200, 200]);
  });

  it("cannot leave Langfuse's public API", async () => {
    const upstream = await langfuse((_, response) => response.end("{}"));
    const { url } = await withKeys(upstream.url);
    for (const path of ["/api/public/../admin", "/api/public/%2e%2e/admin", "/api/public/..\\admin", "/api/admin"]) {
      const answer = await raw(url, [
        `GET ${path} HTTP/1.1`,
        "host: sidecar",
        `authorization: ${authorization}`,
        "connection: close",
      ]);
      expect(answer).toMatch(/^HTTP\/1\.1 40[04]/);
    }
    expect(upstream.requests).toEqual([]);
  });
});

describe("who may have something passed on", () => {
  it("not with wrong keys, and not with Bearer", async () => {
    const upstream = await langfuse((_, response) => response.end("{}"));
    const { url } = await withKeys(upstream.url);
    for (const header of [basic({ ...standInKeys, secretKey: "x" }), "Bearer pk-lf-stand-in"]) {
      const response = await fetch(`${url}/api/public/projects`, { headers: { authorization: header } });
      expect(response.status).toBe(401);
      expect(((await response.json()) as { message: string }).message).toMatch(/Confirm that you've configured/);
    }
    expect(upstream.requests).toEqual([]);
  });

  it("gets no keys that it does not have", async () => {
    const upstream = await langfuse((_, response) => response.writeHead(401, json).end('{"message":"none"}'));
    const { url } = await withKeys(upstream.url);
    expect((await fetch(`${url}/api/public/traces`)).status).toBe(401);
    expect(upstream.requests[0]?.headers.authorization).toBeUndefined();
  });
});

describe("limits", () => {
  it.each(["content-length", "chunked"])("a body beyond the limit gets 413 (%s)", async (way) => {
    let receivedBytes = 0;
    const upstream = await langfuse((request) => {
      request.on("data", (chunk: Buffer) => {
        receivedBytes += chunk.length;
      });
      request.on("error", () => undefined);
    });
    const { url } = await withKeys(upstream.url, { maxRequestBytes: 64 * 1024 });
    const body = Buffer.alloc(1_000_000, 120);
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(body);
        controller.close();
      },
    });
    const response = await fetch(`${url}/api/public/media`, {
      method: "POST",
      headers: { authorization },
      ...(way === "chunked" ? { body: stream, duplex: "half" as const } : { body }),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: "PayloadTooLarge" });
    expect(receivedBytes).toBeLessThanOrEqual(64 * 1024);
  });

  it("a body that says it is too large is not waited for", async () => {
    const { url } = await withKeys("http://127.0.0.1:9", { maxRequestBytes: 64 * 1024 });
    const head = ["POST /api/public/media HTTP/1.1", "host: a", `authorization: ${authorization}`];
    expect(await raw(url, [...head, "content-length: 65537"])).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("a Langfuse that does not answer gets 504", async () => {
    const upstream = await langfuse(() => undefined);
    const { url } = await withKeys(upstream.url, { buffer: { exportTimeoutMs: 100 } });
    const response = await fetch(`${url}/api/public/projects`, { headers: { authorization } });
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual({
      error: "LangfuseTimeout",
      message: expect.stringMatching(/^Langfuse at 127\.0\.0\.1:\d+ has not answered within 100 ms/) as string,
    });
  });

  it("an answer that stalls is ended", async () => {
    const upstream = await langfuse((_request, response) => {
      response.writeHead(200, json);
      response.write("{");
    });
    const { url } = await withKeys(upstream.url, { buffer: { exportTimeoutMs: 100 } });
    const response = await fetch(`${url}/api/public/projects`, { headers: { authorization } });
    await expect(response.text()).rejects.toThrow();
  });
});

describe("while Langfuse is away", () => {
  it("says so, where, why and what to do, without a secret", async () => {
    const upstream = await langfuse(() => undefined);
    await upstream.stop();
    const { url } = await withKeys(upstream.url);
    const response = await fetch(`${url}/api/public/projects`, { headers: { authorization } });
    expect(response.status).toBe(502);
    const body = await response.text();
    expect(JSON.parse(body)).toEqual({
      error: "LangfuseUnavailable",
      message: expect.stringMatching(
        /^Langfuse at 127\.0\.0\.1:\d+ cannot be reached: the connection was refused; check that Langfuse is running/,
      ) as string,
    });
    expect(body).not.toContain(standInKeys.secretKey);
    expect(body).not.toContain(authorization.slice(6));
  });

  it("a host without a name is told as one", async () => {
    const { url } = await withKeys("http://langfuse.invalid");
    const response = await fetch(`${url}/api/public/projects`, { headers: { authorization } });
    expect(response.status).toBe(502);
    expect(await response.text()).toMatch(/its name is not known to DNS/);
  });

  it("a request that leads back here is not sent round", async () => {
    // Two sidecars that have each other for Langfuse: the way back is seen by the first.
    const first = await langfuse((request, response) => {
      const { url = "", headers } = request;
      void fetch(`${sidecar.url}${url}`, { headers: { via: headers.via ?? "", authorization } }).then(
        async (answer) => {
          response.writeHead(answer.status, json).end(await answer.text());
        },
      );
    });
    const sidecar = await withKeys(first.url);
    const response = await fetch(`${sidecar.url}/api/public/projects`, { headers: { authorization } });
    expect(response.status).toBe(502);
    expect(await response.text()).toMatch(/is this sidecar itself/);
    expect(first.requests).toHaveLength(1);
  });
});

describe("prompts", () => {
  const greeting = '{"name":"greeting","version":3,"prompt":"Hello"}';
  const path = "/api/public/v2/prompts/greeting";

  async function promptServer(): Promise<Langfuse> {
    return langfuse((_, response) => response.writeHead(200, json).end(greeting));
  }

  const troubles: readonly [string, (upstream: Langfuse) => void | Promise<void>][] = [
    ["is away", (upstream) => upstream.stop()],
    ["does not answer", (upstream) => void (upstream.handler = () => undefined)],
    ["answers 500", (upstream) => void (upstream.handler = (_, response) => response.writeHead(500).end())],
    ["answers 503", (upstream) => void (upstream.handler = (_, response) => response.writeHead(503).end())],
    ["answers 429", (upstream) => void (upstream.handler = (_, response) => response.writeHead(429).end())],
    ["resets", (upstream) => void (upstream.handler = (request) => request.socket.resetAndDestroy())],
  ];

  it.each(troubles)("are answered as they were while Langfuse %s", async (_, begin) => {
    const upstream = await promptServer();
    const { url } = await withKeys(upstream.url, { buffer: { exportTimeoutMs: 200 } });
    const fresh = await ask(`${url}${path}?label=production`);
    expect(fresh.headers.get("x-span-buffer-cache")).toBeNull();
    expect(await fresh.text()).toBe(greeting);
    await begin(upstream);
    const stale = await ask(`${url}${path}?label=production`);
    expect(stale.status).toBe(200);
    expect(await stale.text()).toBe(greeting);
    expect(stale.headers.get("x-span-buffer-cache")).toBe("stale");
    expect(stale.headers.get("content-type")).toBe("application/json");
    expect(Number(stale.headers.get("age"))).toBeGreaterThanOrEqual(0);
    // Another label was never asked for.
    expect((await ask(`${url}${path}?label=other`)).status).toBeGreaterThanOrEqual(429);
  });

  it("are fresh while Langfuse is there", async () => {
    const upstream = await promptServer();
    const { url } = await withKeys(upstream.url);
    await (await ask(`${url}${path}`)).text();
    upstream.handler = (_, response) => response.writeHead(200, json).end('{"version":4}');
    expect(await (await ask(`${url}${path}`)).json()).toEqual({ version: 4 });
    await upstream.stop();
    expect(await (await ask(`${url}${path}`)).json()).toEqual({ version: 4 });
    await upstream.start();
    upstream.handler = (_, response) => response.writeHead(200, json).end('{"version":5}');
    expect(await (await ask(`${url}${path}`)).json()).toEqual({ version: 5 });
  });

  it("that Langfuse has no more are not kept", async () => {
    const upstream = await promptServer();
    const { url } = await withKeys(upstream.url);
    await (await ask(`${url}${path}`)).text();
    upstream.handler = (_, response) => response.writeHead(404, json).end("{}");
    expect((await ask(`${url}${path}`)).status).toBe(404);
    await upstream.stop();
    expect((await ask(`${url}${path}`)).status).toBe(502);
  });

  it("are not given to whoever shows no keys, and a refusal by Langfuse is passed on", async () => {
    const upstream = await promptServer();
    const { url } = await withKeys(upstream.url);
    await (await ask(`${url}${path}`)).text();
    upstream.handler = (_, response) => response.writeHead(401, json).end("{}");
    expect((await ask(`${url}${path}`)).status).toBe(401);
    await upstream.stop();
    expect((await ask(`${url}${path}`, {})).status).toBe(502);
    expect((await ask(`${url}${path}`)).status).toBe(200);
  });

  const unkept: readonly [string, Handler][] = [
    ["a web page", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
    [
      "a broken answer",
      (_, response) => {
        response.writeHead(200, { ...json, "content-length": "10" });
        response.write("{");
        setTimeout(() => response.destroy(), 10);
      },
    ],
    ["one that is too large", (_, response) => response.writeHead(200, json).end("1".repeat(3_000_000))],
  ];

  it.each(unkept)("%s is not kept", async (_, handler) => {
    const upstream = await langfuse(handler);
    const { url } = await withKeys(upstream.url);
    await (await ask(`${url}${path}`)).text().catch(() => undefined);
    await upstream.stop();
    expect((await ask(`${url}${path}`)).status).toBe(502);
  });

  it("are asked for without compression, so that everybody can read a kept one", async () => {
    const upstream = await promptServer();
    const { url } = await withKeys(upstream.url);
    await ask(`${url}${path}`);
    await ask(`${url}/api/public/projects`);
    expect(upstream.requests.map(({ headers }) => headers["accept-encoding"])).toEqual(["identity", "gzip, deflate"]);
  });
});

function ask(url: string, headers: Record<string, string> = { authorization }): Promise<Response> {
  return fetch(url, { headers });
}

/** One request as it stands; everything that comes back. */
function raw(url: string, lines: readonly string[]): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}
