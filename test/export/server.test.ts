/** Which server is this, and may I: discovery and the auth check. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { checkAuth, send } from "../../src/export/task.ts";
import type { AuthCheckCause } from "../../src/workers/messages.ts";
import {
  healthPath,
  html,
  ingestionPath,
  json,
  otlpPath,
  type ReceivedRequest,
  type Script,
  type ScriptedServer,
  scriptedServer,
  stored,
} from "./scripted-server.ts";
import { destinationAt, publicKey, secretKey, span, taskFor } from "./tasks.ts";

const health = (version: string): Script => json(200, { status: "OK", version });

/** A server with this answer to health, and a Langfuse behind it. */
function serverWith(answer: Script, others: (request: ReceivedRequest) => Script = stored): Promise<ScriptedServer> {
  return scriptedServer((request) => (request.path === healthPath ? answer : others(request)));
}

describe.each(["sdk", "direct"] as const)("auto, by %s", (sender) => {
  test.each([
    ["4.16.0", otlpPath],
    ["3.22.0", otlpPath],
    ["v3.130.1", otlpPath],
    ["3.21.9", ingestionPath],
    ["2.95.11", ingestionPath],
  ])("version %s is sent to %s; asked once, without keys", async (version, path) => {
    await using server = await serverWith(health(version));
    const task = () => taskFor(server.url, [span(1)], { transport: "auto", sender });
    const together = await Promise.all([send(task()), send(task())]);
    const later = await send(task());
    for (const report of [...together, later]) {
      expect(report).toMatchObject({ verdict: "acknowledged", transport: path === otlpPath ? "otlp" : "ingestion" });
    }
    expect(server.requests.map((request) => request.path)).toEqual([healthPath, path, path, path]);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
    expect([...together, later].map(({ requests }) => requests).sort((a, b) => a - b)).toEqual([1, 1, 2]);
  });

  test("JSON without a version: OTLP, which a 404 corrects", async () => {
    await using server = await serverWith(json(200, { status: "OK" }), () => html(404));
    const report = await send(taskFor(server.url, [span(1)], { transport: "auto", sender }));
    expect(report).toMatchObject({ verdict: "change-transport", transport: "ingestion", requests: 2 });
    // What was remembered was wrong, so it is asked again.
    await send(taskFor(server.url, [span(1)], { transport: "auto", sender }));
    expect(server.requests.filter(({ path }) => path === healthPath)).toHaveLength(2);
  });

  test.each<[string, Script, RegExp]>([
    ["HTML", html(200), /not Langfuse.*text\/html/],
    ["404", html(404), /no Langfuse.*404/],
    ["403 of a proxy", html(403), /not Langfuse.*403/],
    ["a redirect to a login", { status: 302, headers: { location: "/login" } }, /redirects to \/login/],
    ["500", json(500, {}), /has trouble/],
    ["silence", "silent", /within 0\.3 s/],
    ["a stalled body", "stalled", /within 0\.3 s/],
  ])("health with %s: retry, nothing is sent", async (_, answer, reason) => {
    await using server = await serverWith(answer);
    const report = await send(taskFor(server.url, [span(1)], { transport: "auto", sender, timeoutMs: 300 }));
    expect(report).toMatchObject({ verdict: "retry", reason: expect.stringMatching(reason) });
    expect(server.requests.every(({ path }) => path === healthPath)).toBe(true);
  });

  test("health that limits the rate: wait", async () => {
    await using server = await serverWith(json(429, {}, { "retry-after": "3" }));
    const report = await send(taskFor(server.url, [span(1)], { transport: "auto", sender }));
    expect(report).toMatchObject({ verdict: "wait", retryAfterMs: 3_000 });
  });

  test("each destination by itself", async () => {
    await using two = await serverWith(health("2.0.0"));
    await using four = await serverWith(health("4.0.0"));
    const reports = [two, four].map(({ url }) => send(taskFor(url, [span(1)], { transport: "auto", sender })));
    expect((await Promise.all(reports)).map(({ transport }) => transport)).toEqual(["ingestion", "otlp"]);
  });
});

describe("told to use ingestion", () => {
  const agent = span(1, { type: "agent" });

  test.each([
    ["3.0.0", "agent-create"],
    ["2.0.0", "span-create"],
  ])("a type of later versions asks for the version: %s gets %s", async (version, type) => {
    await using server = await serverWith(health(version));
    await send(taskFor(server.url, [agent], { transport: "ingestion" }));
    expect(server.requests.map(({ path }) => path)).toEqual([healthPath, ingestionPath]);
    expect(server.requests[1]?.body).toContain(`"type":"${type}"`);
  });

  test("a server without a health route gets what every server knows", async () => {
    await using server = await serverWith(html(404));
    const report = await send(taskFor(server.url, [agent], { transport: "ingestion" }));
    expect(report.verdict).toBe("acknowledged");
    expect(server.requests[1]?.body).toContain('"type":"span-create"');
  });

  test("spans that every server knows ask for nothing", async () => {
    await using server = await serverWith(health("2.0.0"));
    await send(taskFor(server.url, [span(1)], { transport: "ingestion" }));
    expect(server.requests.map(({ path }) => path)).toEqual([ingestionPath]);
  });
});

describe("checkAuth", () => {
  const project = { id: "p1", name: "Demo" };

  test("all well", async () => {
    await using server = await serverWith(health("4.16.0"), () => json(200, { data: [project] }));
    expect(await checkAuth({ destination: destinationAt(server.url), timeoutMs: 2_000 })).toEqual({
      ok: true,
      project,
      serverVersion: "4.16.0",
      transport: "otlp",
    });
    const asked = server.requests.find(({ path }) => path === "/api/public/projects");
    expect(asked?.headers.authorization).toBe(`Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`);
  });

  test.each<[string, Script, AuthCheckCause, RegExp]>([
    [
      "401",
      json(401, { message: "Invalid credentials. Confirm that you've configured the correct host." }),
      "unknown-key",
      /unknown on this host/,
    ],
    ["403", json(403, { message: "Forbidden" }), "no-permission", /Forbidden/],
    ["no project", json(200, { data: [] }), "no-permission", /reaches no project/],
    ["HTML", html(200), "not-langfuse", /text\/html/],
    ["403 in HTML", html(403), "not-langfuse", /403/],
    ["other JSON", json(200, { hello: "world" }), "not-langfuse", /application\/json/],
    ["404", html(404), "not-langfuse", /404/],
    [
      "a redirect",
      { status: 301, headers: { location: "https://elsewhere.test/" } },
      "not-langfuse",
      /elsewhere\.test/,
    ],
    ["500", json(500, { message: "down" }), "server-error", /down/],
    ["429", json(429, {}), "server-error", /try again later/],
    ["silence", "silent", "unreachable", /timeout/],
    ["a stalled body", "stalled", "unreachable", /timeout/],
    ["a reset", "reset", "unreachable", /ECONNRESET/],
  ])("%s", async (_, answer, cause, reason) => {
    await using server = await serverWith(health("3.1.0"), () => answer);
    const result = await checkAuth({ destination: destinationAt(server.url), timeoutMs: 300 });
    expect(result).toMatchObject({ ok: false, cause, serverVersion: "3.1.0", transport: "ingestion" });
    expect(result.reason).toMatch(reason);
    expect(result.reason).toMatch(/127\.0\.0\.1/);
    expect(result.reason).not.toContain(secretKey);
  });

  test("keys missing, each by its name; nothing is asked", async () => {
    await using server = await scriptedServer(() => json(200, {}));
    const destination = destinationAt(server.url);
    const noPublic = await checkAuth({ destination: { ...destination, publicKey: "" }, timeoutMs: 300 });
    expect(noPublic).toMatchObject({ ok: false, cause: "keys-missing", reason: expect.stringMatching(/PUBLIC_KEY/) });
    const noSecret = await checkAuth({ destination: { ...destination, secretKey: "" }, timeoutMs: 300 });
    expect(noSecret).toMatchObject({ ok: false, cause: "keys-missing", reason: expect.stringMatching(/SECRET_KEY/) });
    expect(server.requests).toHaveLength(0);
  });

  test("refused, unknown name, TLS: each is named", async () => {
    const plain = createServer((socket) => socket.resume().end("no TLS here"));
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as AddressInfo;
    const tls = await checkAuth({ destination: destinationAt(`https://127.0.0.1:${port}`), timeoutMs: 2_000 });
    expect(tls).toMatchObject({ cause: "unreachable", reason: expect.stringMatching(/TLS failed/) });
    await new Promise((resolve) => plain.close(resolve));
    const refused = await checkAuth({ destination: destinationAt(`http://127.0.0.1:${port}`), timeoutMs: 2_000 });
    expect(refused).toMatchObject({ cause: "unreachable", reason: expect.stringMatching(/refused.*ECONNREFUSED/) });
    const unknown = await checkAuth({ destination: destinationAt("http://no-such-host.invalid"), timeoutMs: 2_000 });
    expect(unknown).toMatchObject({ cause: "unreachable", reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
  });

  test("a task that is no task is reported, not thrown", async () => {
    expect(await checkAuth(undefined as never)).toMatchObject({ ok: false });
  });
});
