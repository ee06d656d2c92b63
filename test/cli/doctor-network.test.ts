/** `doctor` on the way to the server: names, connections, certificates, what answers, keys, the trace. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Fault } from "../../src/stand-in/index.ts";
import { html, json, type ScriptedAnswer, scriptedServer, stored } from "../export/scripted-server.ts";
import { standIn } from "../support/buffers.ts";
import { makeAuthority, makeServerCertificate } from "../support/certificates.ts";
import { listen } from "../support/listen.ts";
import { namesOf } from "../support/names.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { tlsFront } from "../support/tls-front.ts";
import { examined, examinedByCommand } from "./examined.ts";

const hostName = "langfuse.test";

/** Langfuse 4, but for what a test answers in its place. */
async function langfuseWith(
  answer: (path: string) => ScriptedAnswer | undefined,
  headers: Record<string, string> = {},
): Promise<string> {
  const server = await scriptedServer((request) => {
    const own = answer(request.path);
    if (own !== undefined) return own;
    if (request.method === "POST") return stored(request);
    if (request.path === "/api/public/health") return json(200, { status: "OK", version: "4.16.0" }, headers);
    return json(200, { data: [{ id: "p", name: "P" }] }, headers);
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.url;
}

async function langfuseWithClock(offsetMs: number): Promise<string> {
  return await langfuseWith(() => undefined, { date: new Date(Date.now() + offsetMs).toUTCString() });
}

describe("the connection", () => {
  test("a name that does not resolve, and one that does", async () => {
    const langfuse = await standIn();
    const names = namesOf({ [hostName]: ["127.0.0.1"] });
    const wrong = await examinedByCommand({ LANGFUSE_BASE_URL: `http://nowhere.test:${langfuse.port}`, ...names.env });
    expect(wrong.failed).toEqual(["DNS: name-unknown"]);
    expect(wrong.of("DNS").message).toContain("ENOTFOUND");
    expect(wrong.of("TCP").message).toBe("needs DNS");
    const right = await examinedByCommand({ LANGFUSE_BASE_URL: `http://${hostName}:${langfuse.port}`, ...names.env });
    expect([right.failed, right.of("DNS").message]).toEqual([[], `${hostName} is 127.0.0.1`]);
  });

  test("refused", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "down" });
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: langfuse.url });
    expect(failed).toEqual(["TCP: connection-refused"]);
    expect(of("HTTP").status).toBe("skipped");
  });

  test("refused while the environment names a proxy that Node does not heed", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "down" });
    const proxy = "http://user:secret-of-proxy@127.0.0.1:1";
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: langfuse.url, HTTP_PROXY: proxy });
    expect([failed, of("TCP").message.includes("secret-of-proxy")]).toEqual([["TCP: proxy-not-heeded"], false]);
    const exempt = await examined({ LANGFUSE_BASE_URL: langfuse.url, HTTP_PROXY: proxy, NO_PROXY: "127.0.0.1" });
    expect(exempt.failed).toEqual(["TCP: connection-refused"]);
  });

  test("a host that takes the connection and says nothing, with and without TLS", async () => {
    const server = createServer();
    const port = await listen(server, "127.0.0.1");
    onTestFinished(() => void server.close());
    const plain = await examined({ LANGFUSE_BASE_URL: `http://127.0.0.1:${port}` }, { timeoutMs: 300 });
    expect(plain.failed).toEqual(["HTTP: timeout"]);
    const encrypted = await examined({ LANGFUSE_BASE_URL: `https://127.0.0.1:${port}` }, { timeoutMs: 300 });
    expect(encrypted.failed).toEqual(["TLS: timeout"]);
  });

  test("certificates: expired, soon to expire, for another name, of an authority that nobody knows", async () => {
    const langfuse = await standIn();
    const authority = makeAuthority("Test authority");
    const known = join(temporaryDirectory(), "authority.pem");
    writeFileSync(known, authority.certificate);
    const names = namesOf({ [hostName]: ["127.0.0.1"] });
    const front = await tlsFront(langfuse.port, makeServerCertificate(authority, [hostName], -1));
    const env = {
      LANGFUSE_BASE_URL: `https://${hostName}:${front.port}`,
      NODE_EXTRA_CA_CERTS: known,
      ...names.env,
    };
    const expired = await examinedByCommand(env);
    expect(expired.failed).toEqual(["TLS: certificate-expired"]);
    expect(expired.of("TLS").message).toMatch(/valid until \d{4}-\d\d-\d\dT/);
    front.use(makeServerCertificate(authority, ["other.test"]));
    expect((await examinedByCommand(env)).failed).toEqual(["TLS: certificate-of-another-name"]);
    front.use(makeServerCertificate(authority, [hostName], 3));
    const soon = await examinedByCommand(env);
    expect([soon.failed, soon.notes]).toEqual([[], ["TLS: certificate-expires-soon"]]);
    front.use(makeServerCertificate(authority, [hostName], 100));
    const sound = await examinedByCommand(env, ["--timeout", "10"]);
    expect([sound.failed, sound.notes, langfuse.account().spans]).toEqual([[], [], 1]);
    const stranger = await examinedByCommand({ ...env, NODE_EXTRA_CA_CERTS: "" });
    expect(stranger.failed).toEqual(["TLS: certificate-of-unknown-authority"]);
    const unchecked = await examinedByCommand({
      ...env,
      NODE_EXTRA_CA_CERTS: "",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
    });
    expect([unchecked.failed, unchecked.notes]).toEqual([[], ["TLS: tls-unchecked"]]);
  });

  test("https where plain http is spoken, and http where TLS is", async () => {
    const langfuse = await standIn();
    const plain = await examined({ LANGFUSE_BASE_URL: langfuse.url.replace("http:", "https:") });
    expect(plain.failed).toEqual(["TLS: not-https"]);
    const front = await tlsFront(langfuse.port, makeServerCertificate(makeAuthority("Any"), ["localhost"]));
    const encrypted = await examined({ LANGFUSE_BASE_URL: `http://127.0.0.1:${front.port}` });
    expect(encrypted.failed).toEqual(["HTTP: not-http"]);
  });
});

describe("what answers", () => {
  const health = ["/api/public/health"];
  const projects = ["/api/public/projects"];
  const cases: readonly [what: string, fault: Fault, failed: string, words: RegExp][] = [
    ["200 with a page", { kind: "html", routes: health }, "HTTP: not-langfuse", /web page \(200, text\/html\)/],
    ["404 of an ingress", { kind: "not-found", routes: health }, "HTTP: route-missing", /answers 404 with text\/html/],
    ["503", { kind: "error", status: 503, body: "no healthy upstream", routes: health }, "HTTP: server-trouble", /503/],
    ["403 before Langfuse", { kind: "html", status: 403, routes: health }, "HTTP: gate-in-front", /403/],
    ["a reset", { kind: "reset", routes: health }, "HTTP: connection-reset", /reset/],
    [
      "401: a key of another host",
      { kind: "unauthorized", routes: projects },
      "access: unknown-key",
      /unknown on this/,
    ],
    ["403: suspended", { kind: "forbidden", routes: projects }, "access: suspended", /suspended for this project/],
    ["500 on a route with keys", { kind: "error", routes: projects }, "access: server-trouble", /has trouble \(500\)/],
    ["a page for keys", { kind: "html", routes: projects }, "access: not-langfuse", /not Langfuse at/],
  ];

  test.each(cases)("%s", async (_, fault, expected, words) => {
    const langfuse = await standIn();
    await langfuse.setFault(fault);
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: langfuse.url }, { isSending: true });
    const [step = ""] = expected.split(":");
    expect([failed, of("send").status]).toEqual([[expected], "skipped"]);
    expect(of(step).message).toMatch(words);
  });

  test("a key that is not known, by the server's own judgement; no secret is said", async () => {
    const langfuse = await standIn();
    const secret = "sk-lf-t0p-s3cr3t";
    const { failed, steps } = await examined({ LANGFUSE_BASE_URL: langfuse.url, LANGFUSE_SECRET_KEY: secret });
    expect(failed).toEqual(["access: unknown-key"]);
    expect(JSON.stringify(steps)).not.toContain(secret);
  });

  test("a key without permission, and one that reaches no project", async () => {
    const forbidden = await langfuseWith((path) =>
      path === "/api/public/projects" ? json(403, { message: "Access denied" }) : undefined,
    );
    expect((await examined({ LANGFUSE_BASE_URL: forbidden })).failed).toEqual(["access: no-permission"]);
    const none = await langfuseWith((path) => (path === "/api/public/projects" ? json(200, { data: [] }) : undefined));
    expect((await examined({ LANGFUSE_BASE_URL: none })).failed).toEqual(["access: no-permission"]);
  });

  test("a redirect, with where it leads", async () => {
    const url = await langfuseWith(() => html(308, { location: "https://langfuse.test/?token=x" }));
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: url });
    expect(failed).toEqual(["HTTP: redirected"]);
    expect(of("HTTP").message).toContain("it redirects to https://langfuse.test/;");
  });

  test("a path that does not belong to the base URL: Langfuse is found without it", async () => {
    const langfuse = await standIn();
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: `${langfuse.url}/langfuse` });
    expect([failed, of("HTTP").message]).toEqual([
      ["HTTP: base-url-path"],
      `Langfuse is at ${langfuse.url}, without the path`,
    ]);
  });

  test("a clock an hour behind or ahead has failed, one of a minute is a note", async () => {
    const behind = await examined({ LANGFUSE_BASE_URL: await langfuseWithClock(3_600_000) });
    expect([behind.failed, behind.of("clock").message]).toEqual([
      ["clock: clock-skewed"],
      expect.stringMatching(/^this machine is (1 h|60 min) behind /),
    ]);
    const ahead = await examined({ LANGFUSE_BASE_URL: await langfuseWithClock(-3_600_000) });
    expect(ahead.of("clock").message).toMatch(/ ahead of /);
    const slightly = await examined({ LANGFUSE_BASE_URL: await langfuseWithClock(60_000) });
    expect([slightly.failed, slightly.notes]).toEqual([[], ["clock: clock-skewed"]]);
  });
});

describe("the transport and the trace", () => {
  test("a transport that the server has closed, or does not have yet", async () => {
    const today = await standIn();
    const closed = await examined({ LANGFUSE_BASE_URL: today.url, LANGFUSE_TRANSPORT: "ingestion" });
    expect(closed.failed).toEqual(["transport: transport-closed"]);
    const older = await standIn({ generation: "ingestion" });
    const missing = await examined({ LANGFUSE_BASE_URL: older.url, LANGFUSE_TRANSPORT: "otlp" }, { isSending: true });
    expect([missing.failed, missing.notes]).toEqual([[], ["transport: transport-missing"]]);
    expect(older.account().spans).toBe(1);
  });

  test("refused for good, or not answered: with the words of the last attempt", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "error", status: 400, body: "no such thing" });
    const refused = await examined({ LANGFUSE_BASE_URL: langfuse.url }, { isSending: true });
    expect(refused.failed).toEqual(["send: trace-refused"]);
    expect(refused.of("send").message).toContain("no such thing");
    await langfuse.setFault({ kind: "hang" });
    const hanging = await examined({ LANGFUSE_BASE_URL: langfuse.url }, { isSending: true, timeoutMs: 1_000 });
    expect([hanging.failed, hanging.of("find").status]).toEqual([["send: trace-not-delivered"], "skipped"]);
  });

  test("a server without a route for traces: found among the observations, or noted", async () => {
    const notFound = json(404, { message: "Not found" });
    const serve = async (observations: ScriptedAnswer): Promise<string> => {
      const server = await scriptedServer((request) => {
        if (request.method === "POST") return stored(request);
        if (request.path === "/api/public/health") return json(200, { version: "4.16.0" });
        if (request.path.startsWith("/api/public/traces/")) return notFound;
        if (request.path.startsWith("/api/public/v2/observations?traceId=")) return observations;
        return json(200, { data: [{ id: "p", name: "P" }] });
      });
      onTestFinished(() => server[Symbol.asyncDispose]());
      return server.url;
    };
    const found = await examined(
      { LANGFUSE_BASE_URL: await serve(json(200, { data: [{ id: "o" }] })) },
      { isSending: true },
    );
    expect([found.failed, found.notes]).toEqual([[], []]);
    expect(found.of("find").message).toMatch(/^found by \/api\/public\/v2\/observations after /);
    const missing = await examined({ LANGFUSE_BASE_URL: await serve(notFound) }, { isSending: true, timeoutMs: 700 });
    expect([missing.failed, missing.notes]).toEqual([[], ["find: trace-not-found"]]);
    expect(missing.of("find").message).toContain("/api/public/traces: 404, /api/public/v2/observations: 404");
  });
});
