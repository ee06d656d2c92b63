/** Every row of the answer table, on both transports and by every sender: the real SDKs, and the direct one. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { send } from "../../src/export/task.ts";
import type { ExportReport, ExportVerdict, Transport } from "../../src/workers/messages.ts";
import { html, json, otlpPath, type Script, scriptedServer, stored } from "./scripted-server.ts";
import { publicKey, secretKey, span, taskFor, ways } from "./tasks.ts";

interface Row {
  name: string;
  answer: Script;
  verdict: ExportVerdict | Record<Transport, ExportVerdict>;
  reason?: RegExp | Record<Transport, RegExp>;
  retryAfterMs?: number;
  status?: number;
  requests?: number;
  timeoutMs?: number;
}

const serverDate = "Mon, 23 Nov 2026 12:00:00 GMT";

const rows: readonly Row[] = [
  { name: "200 in HTML", answer: html(200), verdict: "retry", reason: /not Langfuse.*text\/html/ },
  { name: "200, empty", answer: { status: 200 }, verdict: "retry", reason: /not Langfuse.*no content type/ },
  {
    name: "200, JSON by its type, but empty",
    answer: { status: 200, headers: { "content-type": "application/json" } },
    verdict: "retry",
    reason: /not Langfuse/,
  },
  {
    name: "200, JSON by its type, but cut short",
    answer: { status: 200, headers: { "content-type": "application/json" }, body: '{"successes":[' },
    verdict: "retry",
    reason: /not Langfuse/,
  },
  {
    name: "200, JSON in fact, but not by its type",
    answer: { status: 200, headers: { "content-type": "text/plain" }, body: "{}" },
    verdict: "retry",
    reason: /not Langfuse.*text\/plain/,
  },
  { name: "204", answer: { status: 204 }, verdict: "retry", reason: /not Langfuse/ },
  { name: "400", answer: json(400, { error: "bad span" }), verdict: "rejected", status: 400, reason: /bad span/ },
  { name: "400 in HTML", answer: html(400), verdict: "retry", reason: /not Langfuse.*400 in HTML/ },
  { name: "405", answer: json(405, { message: "Method not allowed" }), verdict: "rejected", status: 405 },
  { name: "422", answer: json(422, { message: "no" }), verdict: "rejected", status: 422, reason: /422/ },
  { name: "418", answer: { status: 418, body: "teapot" }, verdict: "rejected", status: 418, reason: /teapot/ },
  {
    name: "401, key unknown on this host",
    answer: json(401, { message: "Invalid public key. Confirm that you've configured the correct host." }),
    verdict: "hold",
    status: 401,
    reason: /unknown on this host \(127\.0\.0\.1:\d+\).*LANGFUSE_BASE_URL/,
  },
  {
    name: "401, Bearer",
    answer: json(401, { error: "Unauthorized", message: "Bearer tokens are not accepted here" }),
    verdict: "hold",
    reason: /Basic authentication/,
  },
  { name: "401 without words", answer: { status: 401 }, verdict: "hold", reason: /check the keys/ },
  {
    name: "403, suspended",
    answer: json(403, { message: "Ingestion suspended: usage threshold exceeded." }),
    verdict: "hold",
    status: 403,
    reason: /suspended for this project/,
  },
  {
    name: "404",
    answer: html(404),
    verdict: { otlp: "change-transport", ingestion: "retry" },
    reason: { otlp: /older Langfuse/, ingestion: /no Langfuse at 127\.0\.0\.1:\d+/ },
  },
  {
    name: "404 in JSON",
    answer: json(404, { message: "Not found" }),
    verdict: { otlp: "change-transport", ingestion: "retry" },
  },
  { name: "408", answer: { status: 408 }, verdict: "wait", retryAfterMs: 1_000 },
  { name: "429 without a word", answer: json(429, { message: "slow down" }), verdict: "wait", retryAfterMs: 5_000 },
  {
    name: "429 with seconds",
    answer: json(429, {}, { "retry-after": "7" }),
    verdict: "wait",
    status: 429,
    retryAfterMs: 7_000,
  },
  {
    name: "429 with a fraction",
    answer: json(429, {}, { "retry-after": "1.25" }),
    verdict: "wait",
    retryAfterMs: 1_250,
  },
  {
    name: "429 with a date, against the server's clock",
    answer: json(429, {}, { "retry-after": "Mon, 23 Nov 2026 12:00:42 GMT", date: serverDate }),
    verdict: "wait",
    retryAfterMs: 42_000,
  },
  {
    name: "429 with a date gone by",
    answer: json(429, {}, { "retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", date: serverDate }),
    verdict: "wait",
    retryAfterMs: 1_000,
  },
  { name: "429 with a day", answer: json(429, {}, { "retry-after": "86400" }), verdict: "wait", retryAfterMs: 600_000 },
  { name: "429 with 0", answer: json(429, {}, { "retry-after": "0" }), verdict: "wait", retryAfterMs: 1_000 },
  { name: "429 with nonsense", answer: json(429, {}, { "retry-after": "soon" }), verdict: "wait", retryAfterMs: 5_000 },
  {
    name: "429 with Langfuse 4's body",
    answer: json(429, { code: "rate_limited", details: { retryAfterSeconds: 12 } }),
    verdict: "wait",
    retryAfterMs: 12_000,
  },
  { name: "413, several spans", answer: { status: 413, body: "Body exceeded 4.5mb limit" }, verdict: "too-large" },
  { name: "413 of a proxy, in HTML", answer: html(413), verdict: "too-large", status: 413 },
  {
    name: "500",
    answer: json(500, { message: "queue down" }),
    verdict: "retry",
    status: 500,
    reason: /queue down/,
    requests: 1,
  },
  { name: "502, thrice", answer: html(502), verdict: "retry", status: 502, requests: 3 },
  {
    name: "503 with Retry-After",
    answer: html(503, { "retry-after": "9" }),
    verdict: "retry",
    status: 503,
    requests: 1,
  },
  { name: "reset, thrice", answer: "reset", verdict: "retry", reason: /reset.*ECONNRESET/, requests: 3 },
  {
    name: "no HTTP",
    answer: "garbage",
    verdict: "retry",
    reason: /could not be read.*does not speak HTTP/,
    requests: 1,
  },
  { name: "reset in the body", answer: "broken", verdict: "retry", reason: /broke off/, requests: 1 },
  { name: "silence", answer: "silent", verdict: "retry", reason: /within 0\.3 s/, requests: 1, timeoutMs: 300 },
  { name: "a stalled body", answer: "stalled", verdict: "retry", reason: /within 0\.3 s/, requests: 1, timeoutMs: 300 },
];

function forTransport<Value>(value: Value | Record<Transport, Value>, transport: Transport): Value {
  return typeof value === "object" && value !== null && transport in value
    ? (value as Record<Transport, Value>)[transport]
    : (value as Value);
}

function expectNoSecret(report: ExportReport): void {
  const text = JSON.stringify(report);
  expect(text).not.toContain(secretKey);
  expect(text).not.toContain(Buffer.from(`${publicKey}:${secretKey}`).toString("base64"));
  expect(report.reason ?? "").toMatch(/^[^\n]{0,300}$/);
}

describe.each(ways)("$transport by $sender", ({ transport, sender }) => {
  test.each(rows)("$name", async (row) => {
    await using server = await scriptedServer(() => row.answer);
    const report = await send(
      taskFor(server.url, [span(1), span(2)], { transport, sender, timeoutMs: row.timeoutMs ?? 2_000 }),
    );
    expect(report.verdict).toBe(forTransport(row.verdict, transport));
    if (row.reason !== undefined) expect(report.reason).toMatch(forTransport(row.reason, transport));
    expect(report.retryAfterMs).toBe(row.retryAfterMs);
    if (row.status !== undefined) expect(report.status).toBe(row.status);
    if (row.requests !== undefined) expect(report.requests).toBe(row.requests);
    expect(server.requests).toHaveLength(report.requests);
    expect(report.transport).toBe(report.verdict === "change-transport" ? "ingestion" : transport);
    expectNoSecret(report);
  });

  test("stored", async () => {
    await using server = await scriptedServer(stored);
    const report = await send(taskFor(server.url, [span(1), span(2)], { transport, sender }));
    expect(report).toMatchObject({ verdict: "acknowledged", transport, truncated: 0, requests: 1 });
    expect(server.requests[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`,
    );
    expect(server.requests[0]?.headers["x-langfuse-ingestion-version"]).toBe(transport === "otlp" ? "4" : undefined);
  });

  test.each([301, 302, 307, 308])("a redirect (%i) is not followed to an acknowledgement", async (status) => {
    await using server = await scriptedServer((request) =>
      request.path.startsWith("/elsewhere")
        ? json(200, { successes: [], errors: [] })
        : { status, headers: { location: "/elsewhere?token=abc" } },
    );
    const report = await send(taskFor(server.url, [span(1)], { transport, sender }));
    expect(report.verdict).toBe("retry");
    expect(report.reason).toMatch(/redirects to .*elsewhere; set LANGFUSE_BASE_URL/);
    expect(report.reason).not.toContain("token=abc");
  });

  test("refused: asked again twice, then said with its cause", async () => {
    const url = await urlOfNobody();
    const report = await send(taskFor(url, [span(1)], { transport, sender }));
    expect(report).toMatchObject({ verdict: "retry", requests: 3 });
    expect(report.status).toBeUndefined();
    expect(report.reason).toMatch(/cannot reach 127\.0\.0\.1:\d+: the connection was refused.*ECONNREFUSED/);
  });

  test("no TLS where https is asked for", async () => {
    await using server = await scriptedServer(stored);
    const report = await send(taskFor(server.url.replace("http:", "https:"), [span(1)], { transport, sender }));
    expect(report.verdict).toBe("retry");
    expect(report.reason).toMatch(/TLS failed/);
  });

  test("unknown name", async () => {
    const report = await send(taskFor("http://no-such-host.invalid", [span(1)], { transport, sender }));
    expect(report.verdict).toBe("retry");
    expect(report.reason).toMatch(/cannot reach no-such-host\.invalid: .*(ENOTFOUND|EAI_AGAIN)/);
  });

  test("no URL at all", async () => {
    const report = await send(taskFor("not a url", [span(1)], { transport, sender }));
    expect(report.verdict).toBe("retry");
  });

  test("a hiccup is waited out", async () => {
    await using server = await scriptedServer((request, index) =>
      index === 0 ? "reset" : index === 1 ? html(503) : stored(request),
    );
    const report = await send(taskFor(server.url, [span(1)], { transport, sender }));
    expect(report).toMatchObject({ verdict: "acknowledged", requests: 3 });
    // P6: what is resent is byte for byte what was sent.
    expect(new Set(server.requests.map(({ body }) => body)).size).toBe(1);
  });

  test("a proxy that echoes the keys does not get them into a reason", async () => {
    await using server = await scriptedServer((request) =>
      json(400, { error: `you sent ${request.headers.authorization}\nand ${secretKey} ${"x".repeat(500)}` }),
    );
    const report = await send(taskFor(server.url, [span(1)], { transport, sender }));
    expect(report.reason).toMatch(/you sent Basic \*\*\* and \*\*\*/);
    expectNoSecret(report);
  });

  test.each(["silent", "stalled"] as const)("after the time limit a %s connection is let go", async (script) => {
    await using server = await scriptedServer(() => script);
    await send(taskFor(server.url, [span(1)], { transport, sender, timeoutMs: 200 }));
    expect(server.requests).toHaveLength(1);
    await vi.waitFor(() => expect(server.openConnections()).toBe(0), { timeout: 3_000 });
  });

  test("without keys everything is held, and nothing is sent", async () => {
    await using server = await scriptedServer(stored);
    const task = taskFor(server.url, [span(1)], { transport, sender });
    const report = await send({ ...task, destination: { ...task.destination, secretKey: "" } });
    expect(report).toMatchObject({ verdict: "hold", requests: 0 });
    expect(server.requests).toHaveLength(0);
  });
});

test("a task that is no task is reported, not thrown", async () => {
  expect(await send(undefined as never)).toMatchObject({ verdict: "retry", requests: 0 });
  expect(await send({} as never)).toMatchObject({ verdict: "retry", requests: 0 });
});

test.each(["sdk", "direct"] as const)("several tasks at once do not mix their answers (%s)", async (sender) => {
  await using server = await scriptedServer((request) =>
    request.body.includes("span 7") ? json(400, { error: "seven" }) : stored(request),
  );
  const reports = await Promise.all(
    [5, 6, 7, 8].map((number) => send(taskFor(server.url, [span(number)], { sender }))),
  );
  expect(reports.map(({ verdict }) => verdict)).toEqual(["acknowledged", "acknowledged", "rejected", "acknowledged"]);
  expect(server.requests.every(({ path }) => path === otlpPath)).toBe(true);
});

/** A port that was free a moment ago. */
async function urlOfNobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
