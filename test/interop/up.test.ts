/** Langfuse is there: everything arrives once, and Langfuse shows it as it was meant. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StoredSpan } from "../../src/stand-in/index.ts";
import { Client, type ClientName, clientNames, legacyNames, programs } from "./clients.ts";
import { missingAt, openSite, type Site, twice, unavailable } from "./site.ts";

const count = 3;
/** For all that the sidecar has when the clients have ended. */
const deliveryMs = 30_000;
const question = "Wie spät ist es? 🕙";

type View = Partial<Record<keyof StoredSpan, unknown>>;

/** What each client's first unit of work is to look like, by the names of its observations. */
const langfuseView: Record<string, View> = {
  answer: {
    type: "GENERATION",
    model: "gpt-4o-mini",
    modelParameters: { temperature: 0.5 },
    input: [{ role: "user", content: question }],
    output: { role: "assistant", content: "Zehn." },
    usageDetails: { input: 11, output: 7 },
    metadata: expect.objectContaining({ attempt: 1 }),
    userId: "ada",
    sessionId: "session-0",
    tags: ["interop"],
    traceName: "interop call",
  },
  call: { type: "SPAN", input: { number: 0 }, output: { answered: true } },
};
const newSdkView: Record<string, View> = {
  answer: { ...langfuseView["answer"], environment: "interop" },
  "call-0": { ...langfuseView["call"], parentObservationId: null, sessionId: "session-0", userId: "ada" },
  "look up": { type: "TOOL", input: { q: "time" }, output: "10:00", level: "WARNING", statusMessage: "slow" },
};
const openTelemetryView: Record<string, View> = {
  chat: {
    type: "GENERATION",
    model: "gpt-4o-mini",
    input: question,
    output: "Zehn.",
    usageDetails: { input: 11, output: 7 },
    sessionId: "session-0",
    userId: "ada",
  },
  failing: { type: "SPAN", level: "ERROR", statusMessage: "no such tool", sessionId: "session-0" },
  "call-0": { type: "SPAN", parentObservationId: null, sessionId: "session-0", userId: "ada" },
};

/** @param modelParameters the Python SDK makes texts of them. */
function oldSdkView(prefix: string, modelParameters: object): Record<string, View> {
  return {
    [`${prefix}-answer-0`]: { ...langfuseView["answer"], modelParameters },
    [`${prefix}-call-0`]: { ...langfuseView["call"], sessionId: "session-0", userId: "ada" },
    [`${prefix}-interrupted-0`]: { type: "EVENT", level: "WARNING", statusMessage: "barge-in" },
  };
}

const ofCall = { sessionId: "conversation-1", userId: "ada", tags: ["interop"] };
const views: Record<ClientName, Record<string, View>> = {
  "Pipecat 1.14": {
    stt: { ...ofCall, output: "Frage 0", model: "words-1", completionStartTime: expect.any(String) },
    llm: {
      ...ofCall,
      type: "GENERATION",
      model: "rote-1",
      // Its instructions are an attribute of their own, which Langfuse would not show beside the input.
      input: [
        { role: "system", content: "Answer in one sentence." },
        { role: "user", content: "Frage 0" },
      ],
      output: "Antwort 1.",
      // Its 30 tokens of input hold the 20 cached ones.
      usageDetails: { input: 10, input_cached_tokens: 20, output: 5 },
      completionStartTime: expect.any(String),
    },
    tts: { ...ofCall, input: "Antwort 1.", model: "silent-1", completionStartTime: expect.any(String) },
    turn: { ...ofCall, type: "CHAIN" },
    conversation: { ...ofCall, type: "AGENT", parentObservationId: null },
  },
  "OpenTelemetry Python 1.45, protobuf, gzip": openTelemetryView,
  "OpenTelemetry JS 2, JSON": openTelemetryView,
  "OpenTelemetry JS 2, protobuf": openTelemetryView,
  "Langfuse Python 5": newSdkView,
  "Langfuse JS 5": newSdkView,
  "Langfuse Python 2": oldSdkView("py2", { temperature: "0.5" }),
  "Langfuse JS 3": oldSdkView("js3", { temperature: 0.5 }),
};

// A unit of work in one request: what is known of a trace is known for all of its spans.
const env = { LOOK_UPS: "1", OTEL_BSP_SCHEDULE_DELAY: "3000", LANGFUSE_FLUSH_INTERVAL: "3" };

describe.each([
  { generation: "otlp", names: clientNames },
  { generation: "ingestion", names: legacyNames },
] as const)("before a server of the $generation route", ({ generation, names }) => {
  let site: Site;
  let deadlineMs = 0;
  const clients = new Map<ClientName, Client>();
  const clientOf = (name: ClientName): Client => clients.get(name) as Client;

  beforeAll(async () => {
    site = await openSite(generation);
    for (const name of names) clients.set(name, new Client(name, site.sidecar.url, { count, env }));
    await Promise.allSettled([...clients.values()].map((client) => client.ended()));
    deadlineMs = performance.now() + deliveryMs;
  });
  afterAll(async () => {
    for (const client of clients.values()) client.kill();
    // There is none when its sidecar did not start; that error is to be seen, not one of ours.
    await (site as Site | undefined)?.close();
  });

  it("refuses nothing", async () => {
    expect(await unavailable(site.sidecar)).toBe(0);
  });

  describe.each(names)("%s", (name) => {
    it("hands everything over", async () => {
      const client = clientOf(name);
      await client.ended();
      expect(client.givenUp).toEqual([]);
      expect(client.observations).toHaveLength(programs[name].perUnit * count + (name === "Pipecat 1.14" ? 1 : 0));
      expect(client.facts["flushed"]).toBe(true);
    });

    it("is stored whole and once", async () => {
      const client = clientOf(name);
      expect(await missingAt(deadlineMs, client, site.langfuse), site.sidecar.said).toEqual([]);
      expect(twice(client, site.langfuse)).toEqual([]);
    });

    it.each(Object.entries(views[name]))("shows in Langfuse as it was meant: %s", async (observation, view) => {
      const made = clientOf(name).observations.find((made) => made.name === observation);
      const { traceId } = made ?? {};
      expect(made).toBeDefined();
      await missingAt(deadlineMs, clientOf(name), site.langfuse);
      const stored = site.langfuse.spans().find((span) => span.name === observation && isOf(span, traceId));
      expect(stored).toMatchObject(view);
    });

    if (programs[name].file.startsWith("langfuse")) {
      it("looks up its project and a prompt through the sidecar", () => {
        const { facts } = clientOf(name);
        expect(facts["authCheck"] ?? true).toBe(true);
        expect(facts["prompt"]).toEqual({ text: "Hello Ada!", version: 1 });
      });
    }

    if (programs[name].scores === true) {
      it("shows its scores in Langfuse", async () => {
        await missingAt(deadlineMs, clientOf(name), site.langfuse);
        for (const { id, traceId } of clientOf(name).scores) {
          const score = site.langfuse.scores().find((stored) => stored.id === id);
          expect(score).toMatchObject({ name: "helpful", value: 0.9, comment: "good" });
          expect(plain(String(score?.["traceId"]))).toBe(plain(traceId));
        }
      });
    }
  });
});

function isOf(span: StoredSpan, traceId = ""): boolean {
  return plain(span.traceId) === plain(traceId);
}

/** A trace id of the old SDKs is a UUID; OTLP's has no dashes. */
function plain(traceId: string): string {
  return traceId.replaceAll("-", "");
}
