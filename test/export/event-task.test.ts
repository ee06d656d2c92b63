/** The export task for events: what goes out, and what each answer means for each event. */
import { describe, expect, test } from "vitest";
import { spanIdOf, traceIdOf, traceSpanIdOf } from "../../src/export/event-ids.ts";
import { send } from "../../src/export/event-task.ts";
import type { ExportReport } from "../../src/workers/messages.ts";
import { json, type ReceivedRequest, type Script, type ScriptedServer, scriptedServer } from "./scripted-server.ts";
import { secretKey, type TaskOptions, taskFor } from "./tasks.ts";

interface TestEvent {
  id: string;
  type: string;
  timestamp: string;
  body: Record<string, unknown>;
}

const time = "2026-11-23T12:00:00.000Z";

function event(type: string, body: Record<string, unknown>, id: string = `${type}-${String(body["id"])}`): TestEvent {
  return { id, type, timestamp: time, body };
}

const score = (id: string): TestEvent =>
  event("score-create", { id, name: "quality", value: 1, traceId: "call", observationId: "llm" });
const span = (id: string): TestEvent =>
  event("span-create", { id, traceId: "call", name: id, startTime: time, endTime: time });

interface Batch {
  batch: TestEvent[];
}

/** Says its version, and gives the script what goes to the other routes. */
function serverOf(version: string, script: (request: ReceivedRequest) => Script): Promise<ScriptedServer> {
  return scriptedServer((request) =>
    request.path.endsWith("/health") ? json(200, { status: "OK", version }) : script(request),
  );
}

const refusal = { status: 400, message: "Event type not accepted", error: "Event type is not accepted" };

/** As Langfuse: `refused` has the words for some ids. */
function judged({ body }: ReceivedRequest, refused: Record<string, object> = {}): Script {
  const { batch } = JSON.parse(body) as Batch;
  return json(207, {
    successes: batch.filter(({ id }) => !(id in refused)).map(({ id }) => ({ id, status: 201 })),
    errors: batch.filter(({ id }) => id in refused).map(({ id }) => ({ id, ...refused[id] })),
  });
}

async function sendTo(
  server: ScriptedServer,
  events: readonly (TestEvent | string)[],
  options: TaskOptions = {},
): Promise<ExportReport> {
  const texts = events.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
  return await send(taskFor(server.url, texts, { transport: "auto", ...options }));
}

const sent = (server: ScriptedServer): ReceivedRequest[] =>
  server.requests.filter(({ path }) => !path.endsWith("/health"));
const batchOf = (request: ReceivedRequest | undefined): TestEvent[] => (JSON.parse(request?.body ?? "") as Batch).batch;
const outcomes = (report: ExportReport): string[] => (report.spans ?? []).map(({ outcome }) => outcome);

describe("a server that takes events", () => {
  test.each(["2.95.1", "3.12.0", "3.174.3"])(
    "version %s gets them as they came, scores with the ids they had",
    async (version) => {
      await using server = await serverOf(version, (request) => judged(request));
      const events = [event("trace-create", { id: "call", name: "x" }), span("a"), score("s")];
      const report = await sendTo(server, events);
      expect(report.verdict === "acknowledged" || outcomes(report).every((outcome) => outcome === "acknowledged")).toBe(
        true,
      );
      expect(sent(server).every(({ path }) => path === "/api/public/ingestion")).toBe(true);
      expect(sent(server).flatMap((request) => batchOf(request))).toEqual(events);
    },
  );

  test("told to use ingestion, nothing is asked", async () => {
    await using server = await scriptedServer((request) => judged(request));
    await sendTo(server, [span("a"), span("b")], { transport: "ingestion" });
    expect(server.requests.map(({ path }) => path)).toEqual(["/api/public/ingestion"]);
    expect(batchOf(server.requests[0])).toEqual([span("a"), span("b")]);
  });

  test("what a buffer adds to spans does not go out with an event", async () => {
    await using server = await serverOf("3.12.0", (request) => judged(request));
    await sendTo(server, [JSON.stringify({ ...span("a"), environment: "production", release: "r1" })]);
    expect(batchOf(sent(server)[0])).toEqual([span("a")]);
  });

  test("each event has its own verdict", async () => {
    const refused = {
      "span-create-b": { status: 400, message: "no" },
      "span-create-c": { status: 500, message: "later" },
    };
    await using server = await serverOf("3.12.0", (request) => judged(request, refused));
    const report = await sendTo(server, [span("a"), span("b"), span("c")]);
    expect(outcomes(report)).toEqual(["acknowledged", "rejected", "retry"]);
    expect(report.spans?.[1]?.reason).toMatch(/span-create refused by 127\.0\.0\.1:\d+ \(400\): no/);
  });

  test("upgraded in between: what it does not take any more becomes spans, and the scores go on", async () => {
    await using server = await serverOf("3.174.3", (request) => {
      if (request.path.includes("otel")) return json(200, {});
      const { batch } = JSON.parse(request.body) as Batch;
      const old = batch.filter(({ type }) => type !== "score-create");
      return judged(request, Object.fromEntries(old.map(({ id }) => [id, refusal])));
    });
    const events = [
      event("trace-create", { id: "call", name: "call", userId: "user", input: "hi" }),
      event("generation-create", { id: "llm", traceId: "call", name: "llm", startTime: time }),
      score("s"),
      event("generation-update", { id: "llm", output: "answer", endTime: time }),
    ];
    const report = await sendTo(server, events);
    expect(outcomes(report)).toEqual(["acknowledged", "acknowledged", "acknowledged", "acknowledged"]);
    const otlp = sent(server).filter(({ path }) => path.includes("otel"));
    expect(otlp).toHaveLength(1);
    const text = otlp[0]?.body ?? "";
    expect(text).toContain(`"spanId":"${spanIdOf("llm")}"`);
    expect(text).toContain(`"spanId":"${traceSpanIdOf(traceIdOf("call"))}"`);
    expect(text.split('"spanId"')).toHaveLength(3);
    const scores = sent(server).at(-1);
    expect(batchOf(scores)[0]?.body).toMatchObject({ traceId: traceIdOf("call"), observationId: spanIdOf("llm") });
    // From now on it is not even tried.
    const before = sent(server).length;
    await sendTo(server, [span("later")]);
    expect(
      sent(server)
        .slice(before)
        .map(({ path }) => path),
    ).toEqual(["/api/public/otel/v1/traces"]);
  });
});

describe("a server that takes spans alone", () => {
  test("scores go to the ingestion route, under the ids that traces have there", async () => {
    await using server = await serverOf("4.16.0", (request) => judged(request));
    const hex = event("score-create", { id: "hex", name: "n", value: 1, traceId: "0af7651916cd43dd8448eb211c80319c" });
    const session = event("score-create", { id: "session", name: "n", value: 1, sessionId: "call" });
    const report = await sendTo(server, [score("s"), hex, session]);
    expect(report).toMatchObject({ verdict: "acknowledged" });
    expect(sent(server).map(({ path }) => path)).toEqual(["/api/public/ingestion"]);
    const [first, ...others] = batchOf(sent(server)[0]);
    expect(first).toEqual({
      ...score("s"),
      body: { ...score("s").body, traceId: traceIdOf("call"), observationId: spanIdOf("llm") },
    });
    expect(others).toEqual([hex, session]);
  });

  test("one span among several is refused: only its events die", async () => {
    await using server = await serverOf("4.16.0", ({ body }) =>
      body.includes(spanIdOf("bad")) ? json(400, { error: "bad span" }) : json(200, {}),
    );
    const events = [span("a"), span("bad"), event("span-update", { id: "bad", traceId: "call", output: 1 }), span("b")];
    const report = await sendTo(server, events);
    expect(outcomes(report)).toEqual(["acknowledged", "rejected", "rejected", "acknowledged"]);
  });

  test("away for spans, but not for scores: the scores are done, the others come again", async () => {
    await using server = await serverOf("4.16.0", (request) =>
      request.path.includes("otel") ? { status: 500, body: "down" } : judged(request),
    );
    const report = await sendTo(server, [span("a"), score("s")]);
    expect(outcomes(report)).toEqual(["retry", "acknowledged"]);
  });
});

describe("no outcome but its own", () => {
  test.each<[string, Script, string]>([
    ["an outage", { status: 503, body: "away" }, "retry"],
    ["a wrong host", { status: 200, headers: { "content-type": "text/html" }, body: "<html>" }, "retry"],
    ["a reset", "reset", "retry"],
    ["keys refused", json(401, { message: "Invalid credentials" }), "hold"],
    [
      "a rate limit",
      { ...json(429, { message: "slow" }), headers: { "content-type": "application/json", "retry-after": "7" } },
      "wait",
    ],
    ["a body that is too large", { status: 413, body: "Body exceeded" }, "too-large"],
  ])("%s is the verdict of a batch of one kind", async (_, answer, verdict) => {
    await using server = await serverOf("4.16.0", () => answer);
    expect(await sendTo(server, [score("a"), score("b")])).toMatchObject({ verdict });
  });

  test("a server that is away is not told apart: all comes again", async () => {
    await using server = await scriptedServer(() => ({ status: 503, body: "away" }));
    expect(await sendTo(server, [score("a"), span("b")])).toMatchObject({ verdict: "retry" });
    expect(server.requests.every(({ path }) => path.endsWith("/health"))).toBe(true);
  });

  test("what is no event dies alone, with the reason", async () => {
    await using server = await serverOf("4.16.0", (request) => judged(request));
    const report = await sendTo(server, ["{]", score("s"), '{"id":1}']);
    expect(outcomes(report)).toEqual(["rejected", "acknowledged", "rejected"]);
    expect(await sendTo(server, ["{]"])).toMatchObject({
      verdict: "rejected",
      reason: expect.stringMatching(/no event/),
    });
  });

  test("no keys: held", async () => {
    const task = taskFor("http://127.0.0.1:9", [JSON.stringify(score("s"))]);
    expect(await send({ ...task, destination: { ...task.destination, secretKey: "" } })).toMatchObject({
      verdict: "hold",
    });
  });

  test("the server's words lose the keys", async () => {
    const refused = { "score-create-a": { status: 400, message: `got ${secretKey}` } };
    await using server = await serverOf("4.16.0", (request) => judged(request, refused));
    const report = await sendTo(server, [score("a"), score("b")]);
    expect(report.spans?.[0]?.reason).toMatch(/got \*\*\*/);
    expect(JSON.stringify(report)).not.toContain(secretKey);
  });
});
