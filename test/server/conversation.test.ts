/** What a Pipecat bot sends, by the whole way: over the socket, through the journal, to what Langfuse shows. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { OtlpRequest, OtlpSpan } from "../../src/otlp/otlp-shape.ts";
import { encodeOtlpRequest } from "../otlp/encode-request.ts";
import { standIn, until } from "../support/buffers.ts";
import { basic, sidecarFor, standInKeys } from "../support/sidecars.ts";

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/pipecat-conversation.otlp.json", import.meta.url), "utf8"),
) as OtlpRequest;
const session = "c0ffee00-0000-4000-8000-000000000001";

const encodings = [
  { name: "JSON", type: "application/json", encode: (request: OtlpRequest) => JSON.stringify(request) },
  { name: "protobuf", type: "application/x-protobuf", encode: encodeOtlpRequest },
] as const;

/** The request with some of its spans alone. */
function only(isWanted: (span: OtlpSpan) => boolean): OtlpRequest {
  return {
    resourceSpans: (fixture.resourceSpans ?? []).map(({ scopeSpans = [], ...rest }) => ({
      ...rest,
      scopeSpans: scopeSpans.map(({ spans = [], ...scope }) => ({ ...scope, spans: spans.filter(isWanted) })),
    })),
  };
}

test.each(encodings)(
  "the fixture conversation in $name: nine spans, once, with all that Langfuse can show",
  async (by) => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    const send = async (request: OtlpRequest): Promise<number> => {
      const headers = { "content-type": by.type, authorization: basic(standInKeys) };
      return (await fetch(`${sidecar.url}/v1/traces`, { method: "POST", headers, body: by.encode(request) })).status;
    };
    // As it comes: the services of a turn, the turns, and the root, which knows the most, at hang-up.
    expect(await send(only(({ name }) => ["stt", "llm", "tts"].includes(name ?? "")))).toBe(200);
    expect(await send(only(({ name }) => name === "turn"))).toBe(200);
    expect(await send(only(({ name }) => name === "conversation"))).toBe(200);
    await until(() => langfuse.account().spans === 9);
    expect(langfuse.account()).toMatchObject({ spans: 9, twice: 0 });
    const shown = langfuse.spans();
    const named = (name: string): typeof shown => shown.filter((span) => span.name === name);
    expect(named("stt").map(({ output }) => output)).toEqual(["Hi, weather in Oslo?", "Thanks, bye."]);
    expect(named("tts").map(({ input }) => input)).toEqual(["It is nice and 12 degrees.", "Goodbye!"]);
    expect(named("llm").map(({ model, type }) => [model, type])).toEqual([
      ["gpt-4.1", "GENERATION"],
      ["gpt-4.1", "GENERATION"],
    ]);
    expect([named("turn").length, named("conversation").length]).toEqual([2, 1]);
    // The user stands on the first request's stt spans, the session first on the turns.
    expect(shown.filter(({ userId }) => userId === "user-1")).toHaveLength(9);
    expect(shown.filter(({ sessionId }) => sessionId === session).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["turn", "turn", "conversation"]),
    );
    // A request that has all of it has it on every span.
    langfuse.clear();
    const again = await sidecarFor(langfuse.url, { buffer: standInKeys });
    const headers = { "content-type": by.type };
    await fetch(`${again.url}/v1/traces`, { method: "POST", headers, body: by.encode(fixture) });
    await until(() => langfuse.account().spans === 9);
    expect(langfuse.spans().every(({ userId, sessionId }) => userId === "user-1" && sessionId === session)).toBe(true);
  },
);
