/** What the ingestion route and the route for scores answer. */
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { event, ingestionSidecar, isoAt, post, postEvents, type TestEvent } from "./ingestion-sidecar.ts";

const away = "http://127.0.0.1:9";

/** As Langfuse's own schemas have it. */
const good: Record<string, TestEvent> = {
  "a trace with an id alone": event("trace-create", { id: "t" }),
  "a trace without an id": event("trace-create", { name: "call" }),
  "null everywhere": event("generation-create", {
    id: "g",
    traceId: null,
    name: null,
    model: null,
    level: null,
    usage: null,
    metadata: null,
  }),
  "a time with an offset": event("span-create", { id: "s", startTime: "2026-11-23T12:00:00.123456+02:00" }),
  "parameters with lists": event("generation-create", {
    id: "g",
    modelParameters: { stop: ["a", "b"], bias: { a: "1" }, n: null },
  }),
  "an update without its trace": event("span-update", { id: "s", output: { any: [1, null] } }),
  "an old observation": event("observation-create", { id: "o", type: "GENERATION", traceId: "t" }),
  "OpenAI's token counts": event("generation-create", {
    id: "g",
    usageDetails: {
      prompt_tokens: 9,
      completion_tokens: 5,
      total_tokens: 14,
      prompt_tokens_details: { cached_tokens: 4 },
    },
  }),
  "every type": event("guardrail-create", { id: "x", traceId: "t", startTime: isoAt(0) }),
};

const bad: Record<string, [unknown, RegExp]> = {
  "no object": ["span-create", /expected an object/],
  "an unknown type": [event("dream-create", { id: "d" }), /type/],
  "a time without a zone": [{ ...event("trace-create", { id: "t" }), timestamp: "2026-11-23T12:00:00" }, /timestamp/],
  "no body": [{ ...event("trace-create", {}), body: null }, /body/],
  "an id of another kind": [event("span-create", { id: 7 }), /body\.id/],
  "an update without an id": [event("span-update", { name: "nothing" }), /body\.id/],
  "an unknown level": [event("span-create", { id: "s", level: "INFO" }), /body\.level/],
  "a reserved environment": [event("span-create", { id: "s", environment: "langfuse-x" }), /body\.environment/],
  "nested parameters": [
    event("generation-create", { id: "g", modelParameters: { a: { b: { c: 1 } } } }),
    /modelParameters/,
  ],
  "half a prompt": [event("generation-create", { id: "g", promptName: "greeting" }), /promptVersion/],
  "counts that are none": [event("generation-create", { id: "g", usageDetails: { input: 1.5 } }), /usageDetails/],
  "tags that are no texts": [event("trace-create", { id: "t", tags: [1] }), /tags/],
  "a score without a name": [event("score-create", { value: 1, traceId: "t" }), /body\.name/],
  "a score without a value": [event("score-create", { name: "n", traceId: "t" }), /body\.value/],
  "a score of nothing": [event("score-create", { name: "n", value: 1 }), /traceId/],
};

test("each event is judged by itself, in Langfuse's form; a log of the SDK is in neither list", async () => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory() });
  const events = [...Object.values(good), ...Object.values(bad).map(([one]) => one)];
  const { successes, errors } = await postEvents(sidecar.url, [...events, event("sdk-log", { log: "retry" })]);
  expect(successes).toEqual(Object.values(good).map(({ id }) => ({ id, status: 201 })));
  expect(errors).toHaveLength(Object.keys(bad).length);
  for (const [index, [name, [one, words]]] of Object.entries(bad).entries()) {
    const { id = "unknown" } = typeof one === "object" ? (one as { id?: string }) : {};
    expect(errors[index], name).toMatchObject({ id, status: 400, message: "Invalid request data" });
    expect(errors[index]?.error, name).toMatch(words);
  }
  expect(sidecar.counted).toEqual([`accepted event ${successes.length}`, `rejected event ${errors.length}: invalid`]);
});

test.each<[string, unknown, number, RegExp]>([
  ["no JSON", "{", 400, /not JSON/],
  ["null", null, 400, /batch/],
  ["no batch", { events: [] }, 400, /batch/],
])("a body of %s", async (_, body, status, words) => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory() });
  const response = await post(sidecar.url, "ingestion", body);
  expect(response.status).toBe(status);
  expect(await response.text()).toMatch(words);
});

test("refusals in Langfuse's words", async () => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory() });
  for (const path of ["ingestion", "scores"]) {
    const response = await post(sidecar.url, path, { batch: [] }, { authorization: "Basic d3Jvbmc=" });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      error: "UnauthorizedError",
      message: "Invalid credentials. Confirm that you've configured the correct host.",
    });
  }
  const score = await post(sidecar.url, "scores", { name: "quality", traceId: "t" });
  expect(score.status).toBe(400);
  expect(await score.json()).toMatchObject({ message: "Invalid request data", error: expect.stringMatching(/value/) });
});

test("an empty batch is answered", async () => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory() });
  expect(await postEvents(sidecar.url, [])).toEqual({ successes: [], errors: [] });
  expect(sidecar.counted).toEqual([]);
});

const span = (id: string): TestEvent =>
  event("span-create", { id, traceId: "t", startTime: isoAt(0), endTime: isoAt(1) });

test("a place that cannot be written: 503 with Retry-After for the whole request, and on as soon as it can", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "held"), "a file in the way");
  const server = await standIn();
  const sidecar = await ingestionSidecar(server.url, { directory });
  const score = event("score-create", { id: "score", name: "n", value: 1, traceId: "t" });
  const batch = [span("a"), score];
  const response = await post(sidecar.url, "ingestion", { batch });
  expect(response.status).toBe(503);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await response.json()).toMatchObject({ message: expect.stringMatching(/try again/) });
  expect(sidecar.counted).toEqual(["unavailable"]);
  rmSync(join(directory, "held"));
  expect((await postEvents(sidecar.url, batch)).successes).toHaveLength(2);
  await until(() => server.account().spans === 1 && server.scores().length === 1);
  expect(server.scores()).toMatchObject([{ arrivals: 1 }]);
});

test("no room: 503, and nothing of the request is kept", async () => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory(), maxBytes: 2_000 });
  expect((await post(sidecar.url, "ingestion", { batch: [span("a")] })).status).toBe(207);
  const many = Array.from({ length: 20 }, (_, index) => span(`many-${index}`));
  expect((await post(sidecar.url, "ingestion", { batch: many })).status).toBe(503);
  expect((await post(sidecar.url, "ingestion", { batch: [span("b")] })).status).toBe(207);
});

test("half of the room taken while Langfuse is away: complete observations go as spans, which every server can be given", async () => {
  const sidecar = await ingestionSidecar(away, { directory: temporaryDirectory(), maxBytes: 2_000 });
  const batch = Array.from({ length: 6 }, (_, index) => span(`many-${index}`));
  expect((await post(sidecar.url, "ingestion", { batch })).status).toBe(207);
  await until(() => sidecar.spans.stats().accepted > 0);
  expect((await post(sidecar.url, "ingestion", { batch: [span("one more")] })).status).toBe(207);
});

test("a journal that cannot be written: scores are answered 503", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "events"), "a file in the way");
  const sidecar = await ingestionSidecar(away, { directory, commitTimeoutMs: 500 });
  const score = { name: "quality", value: 1, traceId: "t" };
  const first = await post(sidecar.url, "scores", score);
  expect(first.status).toBe(503);
  expect(first.headers.get("retry-after")).not.toBeNull();
  const batch = [event("score-create", { id: "s", ...score })];
  expect((await post(sidecar.url, "ingestion", { batch })).status).toBe(503);
});

test("the file of held events and its folder are for their owner alone, and no secret is in them", async () => {
  const directory = temporaryDirectory();
  const sidecar = await ingestionSidecar(away, { directory });
  await postEvents(sidecar.url, [span("a")]);
  const names = readdirSync(join(directory, "held"));
  expect(names.some((name) => name.endsWith(".sqlite"))).toBe(true);
  expect(names.join(" ")).not.toMatch(/pk-lf|sk-lf/);
  for (const name of names) expect(statSync(join(directory, "held", name)).mode & 0o077, name).toBe(0);
});
