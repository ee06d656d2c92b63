/** What the direct sender does that no SDK does for it; how it judges answers is tested with the SDKs. */
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import type { Outcome } from "../../src/export/answer.ts";
import { sendDirect } from "../../src/export/direct-sender.ts";
import { send } from "../../src/export/task.ts";
import { bufferFor } from "../support/buffers.ts";
import { healthPath, json, otlpPath, scriptedServer, stored } from "./scripted-server.ts";
import { destinationAt, publicKey, secretKey, span, taskFor } from "./tasks.ts";

const body = { bytes: Buffer.from('{"resourceSpans":[]}'), contentType: "application/json" } as const;

/** Sends, and gives the connection the turn of the event loop after which it is used again. */
async function sendOnce(url: string): Promise<Outcome> {
  const outcome = await sendDirect(destinationAt(url), body, "none", 2_000);
  await new Promise((resolve) => setImmediate(resolve));
  return outcome;
}

describe("the request", () => {
  test("goes to the route, whole, and says what it is", async () => {
    await using server = await scriptedServer(stored);
    // A field that nobody knows: the server decodes what comes.
    const parts = [Uint8Array.of(16, 130), Uint8Array.of(), Uint8Array.of(1)];
    const protobuf = { bytes: parts, contentType: "application/x-protobuf" } as const;
    const outcome = await sendDirect(destinationAt(`${server.url}/behind/a/proxy`), protobuf, "none", 2_000);
    expect(outcome).toMatchObject({ kind: "answer", status: 200, contentType: "application/json", json: {} });
    const [request] = server.requests;
    expect(request?.method).toBe("POST");
    expect(request?.path).toBe(`/behind/a/proxy${otlpPath}`);
    expect([...(request?.bytes ?? [])]).toEqual([16, 130, 1]);
    expect(request?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString("base64")}`,
      "content-type": "application/x-protobuf",
      "content-length": "3",
      "x-langfuse-ingestion-version": "4",
      "accept-encoding": "identity",
    });
    expect(request?.headers["content-encoding"]).toBeUndefined();
  });

  test("compressed, it can be read again", async () => {
    await using server = await scriptedServer(stored);
    const spans = [span(1, { input: "i".repeat(2_000) }), span(2)];
    for (const compression of ["none", "gzip"] as const) {
      const report = await send(taskFor(server.url, spans, { sender: "direct", compression }));
      expect(report.verdict).toBe("acknowledged");
    }
    const [plain, compressed] = server.requests;
    expect(compressed?.headers["content-encoding"]).toBe("gzip");
    expect(compressed?.headers["content-type"]).toBe(plain?.headers["content-type"]);
    expect(compressed?.bytes.length).toBeLessThan((plain?.bytes.length ?? 0) / 2);
    expect(gunzipSync(compressed?.bytes ?? "").equals(plain?.bytes ?? Buffer.of())).toBe(true);
  });

  test("compressed, it is byte for byte the same when it is sent again", async () => {
    await using server = await scriptedServer((request, index) => (index === 0 ? "reset" : stored(request)));
    const large = span(1, { input: "i".repeat(2_000) });
    await send(taskFor(server.url, [large], { sender: "direct", compression: "gzip" }));
    expect(server.requests).toHaveLength(2);
    expect(server.requests[0]?.bytes.equals(server.requests[1]?.bytes ?? Buffer.of())).toBe(true);
  });

  test("a body of one packet is not compressed", async () => {
    await using server = await scriptedServer(stored);
    await sendDirect(destinationAt(server.url), body, "gzip", 2_000);
    expect(server.requests[0]?.headers["content-encoding"]).toBeUndefined();
    expect(server.requests[0]?.body).toBe(body.bytes.toString());
  });

  test("is made as the options say", async () => {
    await using server = await scriptedServer((request) =>
      request.path === healthPath ? json(200, { version: "4.16.0" }) : stored(request),
    );
    const buffer = bufferFor(server.url, { sender: "direct", compression: "gzip" });
    buffer.startSpan("large", { input: "i".repeat(2_000) }).end();
    await buffer.flush();
    await buffer.shutdown();
    expect(buffer.stats()).toMatchObject({ acknowledged: 1, pending: 0 });
    const sent = server.requests.filter(({ path }) => path === otlpPath);
    expect(sent.map(({ headers }) => [headers["user-agent"], headers["content-encoding"]])).toEqual([
      ["langfuse-span-buffer", "gzip"],
    ]);
  });

  test("ingestion is the SDK's, whoever sends the rest", async () => {
    await using server = await scriptedServer(stored);
    const large = span(1, { input: "i".repeat(2_000) });
    const way = { transport: "ingestion", sender: "direct", compression: "gzip" } as const;
    expect(await send(taskFor(server.url, [large], way))).toMatchObject({ verdict: "acknowledged" });
    expect(server.requests[0]?.headers["content-encoding"]).toBeUndefined();
  });
});

describe("connections", () => {
  test("one after another takes one", async () => {
    await using server = await scriptedServer(stored);
    for (let count = 0; count < 20; count++) expect((await sendOnce(server.url)).kind).toBe("answer");
    expect(server.requests).toHaveLength(20);
    expect(server.allConnections()).toBe(1);
  });

  test("one that the server has closed meanwhile costs nothing", async () => {
    await using server = await scriptedServer(stored);
    for (let count = 0; count < 5; count++) {
      const report = await send(taskFor(server.url, [span(1)], { sender: "direct" }));
      expect(report).toMatchObject({ verdict: "acknowledged" });
      server.endConnections();
    }
    expect(server.requests).toHaveLength(5);
  });

  test("one that the server resets under a request is a failure: nothing is sent twice in silence", async () => {
    await using server = await scriptedServer((request, index) => (index === 1 ? "reset" : stored(request)));
    expect(await sendOnce(server.url)).toMatchObject({ kind: "answer" });
    const outcome = await sendOnce(server.url);
    expect(outcome).toMatchObject({ kind: "failure", failure: "network", code: "ECONNRESET" });
    expect(server.requests).toHaveLength(2);
    expect(server.allConnections()).toBe(1);
  });

  test("one that the server will soon close is not used again", async () => {
    await using server = await scriptedServer(() => json(200, {}, { "keep-alive": "timeout=1" }));
    await sendOnce(server.url);
    await sendOnce(server.url);
    expect(server.allConnections()).toBe(2);
  });

  test("an idle one is closed before the server does it", async () => {
    await using server = await scriptedServer(() => json(200, {}, { "keep-alive": "timeout=3" }));
    await sendOnce(server.url);
    expect(server.openConnections()).toBe(1);
    await vi.waitFor(() => expect(server.openConnections()).toBe(0), { timeout: 2_500 });
  });
});

describe("the answer", () => {
  const megabyte = "x".repeat(1_000_000);

  test("of a 200 that does not end is not Langfuse's, and its connection is let go", async () => {
    await using server = await scriptedServer(() => json(200, { words: megabyte.repeat(5) }));
    const report = await send(taskFor(server.url, [span(1)], { sender: "direct" }));
    expect(report).toMatchObject({ verdict: "retry", status: 200, requests: 1 });
    await vi.waitFor(() => expect(server.openConnections()).toBe(0), { timeout: 2_000 });
  });

  test.each([
    [413, "too-large"],
    [500, "retry"],
  ] as const)("of a %i is judged by its status, however long it is", async (status, verdict) => {
    await using server = await scriptedServer(() => ({ status, body: megabyte.repeat(5) }));
    const spans = [span(1), span(2)];
    expect(await send(taskFor(server.url, spans, { sender: "direct" }))).toMatchObject({ verdict, status });
    const outcome = await sendOnce(server.url);
    expect(outcome.kind === "answer" && outcome.text.length).toBe(1_000_000);
  });

  test("of a redirect names the place, and nobody goes there", async () => {
    await using elsewhere = await scriptedServer(stored);
    await using server = await scriptedServer(() => ({ status: 307, headers: { location: elsewhere.url } }));
    expect(await sendOnce(server.url)).toMatchObject({ kind: "answer", status: 307, redirectedTo: elsewhere.url });
    expect(server.requests).toHaveLength(1);
    expect(elsewhere.requests).toHaveLength(0);
  });

  test.each([
    ["broken", { failure: "cut-off", code: "ECONNRESET" }],
    ["stalled", { failure: "timeout" }],
  ] as const)("that is %s is a failure", async (script, expected) => {
    await using server = await scriptedServer(() => script);
    expect(await sendDirect(destinationAt(server.url), body, "none", 300)).toMatchObject(expected);
  });

  test("that is shorter than it says is a failure", async () => {
    await using server = await scriptedServer(() => ({
      status: 200,
      headers: { "content-type": "application/json", "content-length": "100", connection: "close" },
      body: "{}",
    }));
    expect(await sendOnce(server.url)).toMatchObject({ failure: "cut-off" });
  });
});

describe("in a process of its own", () => {
  /** Sends one batch by each sender and prints the verdicts. The direct one first: its undici meets the platform's. */
  const program = `
    import { send } from ${JSON.stringify(new URL("../../src/export/task.ts", import.meta.url).href)};
    import { span, taskFor } from ${JSON.stringify(new URL("tasks.ts", import.meta.url).href)};
    for (const sender of ["direct", "sdk"]) {
      const { verdict, reason } = await send(taskFor(process.env.TEST_URL, [span(1)], { sender }));
      console.log(sender, verdict, reason ?? "");
    }`;

  async function run(env: NodeJS.ProcessEnv): Promise<string> {
    const args = ["--input-type=module", "--eval", program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
    return stdout;
  }

  test("an idle connection does not keep it alive", async () => {
    await using server = await scriptedServer(() => json(200, {}, { "keep-alive": "timeout=60" }));
    const started = performance.now();
    expect(await run({ TEST_URL: server.url })).toBe("direct acknowledged \nsdk acknowledged \n");
    expect(performance.now() - started).toBeLessThan(3_500);
  });

  test("both senders go through the same proxy", async () => {
    await using server = await scriptedServer(stored);
    const asked: string[] = [];
    const proxy = createServer().on("connect", (request, socket) => {
      asked.push(request.url ?? "");
      const onward = connect(Number(new URL(server.url).port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const env = {
      TEST_URL: "http://langfuse.invalid:3000",
      HTTP_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    };
    expect(await run({ ...env, NODE_USE_ENV_PROXY: "1" })).toBe("direct acknowledged \nsdk acknowledged \n");
    expect(asked).toEqual(["langfuse.invalid:3000", "langfuse.invalid:3000"]);
    // Node heeds the variables only when it is told to.
    expect(await run(env)).toMatch(/^direct retry .*DNS.*\nsdk retry .*DNS/);
    expect(asked).toHaveLength(2);
    await new Promise((resolve) => proxy.close(resolve));
  });
});
