/** What is hidden is nowhere: not in a request, an answer's words, a log, a dead letter, nor, if asked, on the disk. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SpanBuffer, SpanBufferOptions } from "../../src/index.ts";
import { maskPatternNames } from "../../src/mask/mask-rules.ts";
import { json, type ReceivedRequest, type ScriptedServer, scriptedServer } from "../export/scripted-server.ts";
import { type PlantedSecret, SecretMaker } from "../mask/planted-secrets.ts";
import { bufferFor, missingFromAccount, standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const hidden = [...maskPatternNames, { keys: ["password"] }] as const;

/** A span with secrets in every field that takes a text. */
function endSpanWith(buffer: SpanBuffer, maker: SecretMaker, word = "fine"): PlantedSecret[] {
  const planted: PlantedSecret[] = [];
  const secret = (): string => {
    const made = maker.make(maker.pick(maskPatternNames));
    planted.push(made);
    return made.text;
  };
  const password = `hunter-${maker.chars("abcdefghij", 16)}`;
  planted.push({ kind: "token", text: password, trace: password });
  const span = buffer.startSpan(`turn ${secret()}`, {
    type: "generation",
    input: { messages: [{ role: "user", content: `it is ${secret()}` }, { [secret()]: 1 }], password },
    output: JSON.stringify({ said: secret(), deep: JSON.stringify({ more: secret(), password }) }),
    model: "gpt-4o",
    modelParameters: { stop: secret() },
    statusMessage: secret(),
    metadata: { long: `${"word ".repeat(400)}${secret()}${" word".repeat(400)}`, list: [[secret()]], word },
    userId: secret(),
    sessionId: secret(),
    tags: [secret(), "innocent"],
    traceMetadata: { note: secret() },
    attributes: { "app.note": secret(), list: [secret()], "app.json": `log ${secret().replaceAll("@", "\\u0040")}` },
  });
  span.addEvent(`event ${secret()}`, { text: secret() });
  span.recordException(new Error(secret()));
  span.setStatus({ code: "error", message: secret() });
  span.end();
  buffer.enqueue({
    traceId: span.traceId,
    spanId: span.spanId.split("").toReversed().join(""),
    parentSpanId: span.spanId,
    name: "from elsewhere",
    startTimeUnixNano: "1793520000000000000",
    endTimeUnixNano: "1793520000000000000",
    attributes: [
      { key: "input.value", value: { stringValue: JSON.stringify([secret()]) } },
      { key: "password", value: { stringValue: password } },
      { key: "list", value: { arrayValue: { values: [{ stringValue: secret() }] } } },
    ],
    links: [{ traceId: span.traceId, spanId: span.spanId, attributes: { why: secret() } }],
    resource: { attributes: { owner: secret() } },
    scope: { name: "scope", attributes: { owner: secret() } },
  });
  return planted;
}

function found(secrets: readonly PlantedSecret[], texts: readonly string[]): string[] {
  const all = texts.join("\n");
  // Some traces of phone numbers are seven digits: among thousands of ids and times they come up by chance.
  const withoutIds = all.replaceAll(/[0-9a-f]{13,}/g, "#");
  return secrets
    .filter(({ kind, trace }) => (kind === "phone" ? withoutIds : all).includes(trace))
    .map(({ text }) => text);
}

/** Everything below a folder. */
function contents(directory: string): string[] {
  return (
    readdirSync(directory, { recursive: true, withFileTypes: true })
      // The reserve is noise.
      .filter((entry) => entry.isFile() && !entry.name.includes("reserve"))
      // Without the room that is held or free in them.
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1").replaceAll(/\0+/g, "\0"))
  );
}

/** Refuses what holds the word "poison", with the words that it was sent. */
async function echoingServer(): Promise<ScriptedServer> {
  return await scriptedServer((request) => {
    if (request.path.endsWith("/health")) return json(200, { status: "OK", version: "4.16.0" });
    const isIngestion = request.path.endsWith("/ingestion");
    if (request.body.includes("poison"))
      return json(400, { message: `cannot take ${request.body}`, error: request.body });
    return isIngestion ? accepted(request) : json(200, {});
  });
}

function accepted({ body }: ReceivedRequest): ReturnType<typeof json> {
  const { batch } = JSON.parse(body) as { batch: { id: string }[] };
  return json(207, { successes: batch.map(({ id }) => ({ id, status: 201 })), errors: [] });
}

describe.each<[string, SpanBufferOptions]>([
  ["otlp by the SDK", { transport: "otlp", sender: "sdk" }],
  ["otlp direct", { transport: "otlp", sender: "direct" }],
  ["ingestion", { transport: "ingestion" }],
])("%s", (_, way) => {
  test.each([
    ["journal", 70],
    ["strict", 70],
  ] as const)("thousands of planted secrets are nowhere, with durability %s", async (durability, rounds) => {
    await using server = await echoingServer();
    const directory = temporaryDirectory();
    const said: string[] = [];
    const buffer = bufferFor(server.url, {
      ...way,
      durability,
      directory,
      mask: hidden,
      maskJournal: true,
      batchSize: 5,
      logger: { warn: (message) => said.push(message), info: (message) => said.push(message) },
    });
    const maker = new SecretMaker(7);
    const secrets: PlantedSecret[] = [];
    for (let round = 0; round < rounds; round++)
      secrets.push(...endSpanWith(buffer, maker, round % 10 === 0 ? "poison" : "fine"));
    // While they are on the disk.
    await until(() => buffer.stats().journalSpans > 0 || buffer.stats().acknowledged > 0);
    const onDisk = found(secrets, contents(directory));
    await buffer.flush();
    onDisk.push(...found(secrets, contents(directory)));
    const { letters } = await buffer.deadLetters.list({ limit: 1_000 });
    const details = await Promise.all(letters.map(({ id }) => buffer.deadLetters.get(id)));
    const stats = buffer.stats();
    await buffer.shutdown();
    expect(secrets.length).toBeGreaterThan(rounds * 24);
    expect(stats).toMatchObject({ accepted: rounds * 2, pending: 0 });
    expect(stats.deadLettered).toBe(rounds / 10);
    expect(missingFromAccount(stats)).toBe(0);
    expect(
      found(
        secrets,
        server.requests.map(({ body }) => body),
      ),
    ).toEqual([]);
    expect(found(secrets, said.concat(stats.lastError ?? ""))).toEqual([]);
    expect(found(secrets, [JSON.stringify([letters, details])])).toEqual([]);
    expect(onDisk.concat(found(secrets, contents(directory)))).toEqual([]);
    // It is the mask that hides them: what surrounds them is there.
    expect(server.requests.map(({ body }) => body).join("")).toContain("innocent");
  });
});

test("without maskJournal the disk has the values, and nothing that leaves or is shown", async () => {
  await using server = await echoingServer();
  const directory = temporaryDirectory();
  const buffer = bufferFor(server.url, { directory, mask: hidden, transport: "otlp", batchSize: 1 });
  const maker = new SecretMaker(9);
  const secrets = Array.from({ length: 20 }, () => endSpanWith(buffer, maker, "poison")).flat();
  await buffer.flush();
  const { letters } = await buffer.deadLetters.list();
  const details = await Promise.all(letters.map(({ id }) => buffer.deadLetters.get(id)));
  expect(letters).toHaveLength(20);
  expect(found(secrets, contents(directory)).length).toBeGreaterThan(0);
  expect(
    found(
      secrets,
      server.requests.map(({ body }) => body),
    ),
  ).toEqual([]);
  expect(found(secrets, [JSON.stringify([letters, details, buffer.stats()])])).toEqual([]);
});

function moduleWith(source: string): string {
  const file = join(temporaryDirectory(), "mask.mjs");
  writeFileSync(file, source);
  return file;
}

describe("a module's function", () => {
  test("gets every text with its place, in the export thread", async () => {
    const server = await standIn();
    const mask = moduleWith(
      `import { isMainThread } from "node:worker_threads";
       export default (value, { key, path }) => isMainThread ? "main" : key + ":" + path.join(".") + "=" + value.replaceAll("secret", "***");`,
    );
    const buffer = bufferFor(server.url, { mask });
    const span = buffer.startSpan("a secret", {
      input: { text: "one secret", inside: '{"b":["secret"]}' },
      level: "WARNING",
    });
    span.end();
    await buffer.flush();
    expect(server.spans()).toMatchObject([
      {
        id: span.spanId,
        name: "name:name=a ***",
        level: "WARNING",
        input: { text: "text:input.text=one ***", inside: '{"b":["b:input.inside.b.0=***"]}' },
      },
    ]);
  });

  test.each([
    ["throws", "export function mask(value) { throw new Error(value); }"],
    ["returns nothing", "export const mask = () => undefined;"],
    ["returns a promise", "export const mask = async (value) => { throw new Error(value); };"],
  ])("that %s: the value is replaced, never sent, and said", async (_, source) => {
    const server = await standIn();
    const said: string[] = [];
    const buffer = bufferFor(server.url, {
      mask: moduleWith(source),
      logger: { warn: (message) => said.push(message) },
    });
    buffer.startSpan("name", { input: { text: "very-secret" } }).end();
    await buffer.flush();
    expect(server.spans()).toMatchObject([{ name: "[mask failed]", input: { text: "[mask failed]" } }]);
    expect(said.join()).toMatch(/the mask function failed for 2 values/);
    expect(said.join()).not.toContain("very-secret");
  });

  test.each([
    ["cannot be loaded", 'throw new Error("secret");', /cannot be loaded \(Error\)/],
    ["exports no function", "export const mask = 1;", /exports no function/],
  ])("that %s: nothing leaves until it is right, and it is said", async (_, source, reason) => {
    const server = await standIn();
    const said: string[] = [];
    const mask = moduleWith(source);
    const buffer = bufferFor(server.url, { mask, logger: { warn: (message) => said.push(message) } });
    buffer.startSpan("name").end();
    await until(() => said.length > 0);
    expect(said[0]).toMatch(reason);
    expect(said[0]).toMatch(/nothing leaves/);
    expect(said[0]).not.toContain("secret");
    expect(server.requests().filter(({ method }) => method === "POST")).toEqual([]);
    expect(buffer.stats()).toMatchObject({ pending: 1, acknowledged: 0 });
    writeFileSync(mask, "export default (value) => value;");
    await buffer.flush();
    expect(server.account().spans).toBe(1);
  });
});
