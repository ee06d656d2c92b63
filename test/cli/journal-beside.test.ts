/** The command line beside a bot under load: whatever looks, nothing is lost, nothing sent twice, and commits go on. */
import { expect, onTestFinished, test, vi } from "vitest";
import { Bot } from "../chaos/bot.ts";
import { standIn, until } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { cli, cliJson, keysEnv } from "./journal-support.ts";

// Each command line is a process of its own.
vi.setConfig({ testTimeout: 180_000 });

const spansPerSecond = 500;
const commands = ["export", "verify", "dead-letters list"];

test("reading commands beside a bot under load cost it nothing; then all of it is delivered once", async () => {
  const server = await standIn();
  await server.setFault({ kind: "error", status: 503, body: "later" });
  const directory = temporaryDirectory();
  const keys = { publicKey: keysEnv["LANGFUSE_PUBLIC_KEY"], secretKey: keysEnv["LANGFUSE_SECRET_KEY"] };
  const bot = new Bot({ spansPerSecond, buffer: { ...keys, baseUrl: server.url, directory, flushInterval: 0.1 } });
  onTestFinished(() => bot.end("SIGKILL"));
  await bot.hasBegun();
  await until(() => bot.report().spans.length > spansPerSecond);
  const seen: number[] = [];
  for (let round = 0; round < 2; round++) {
    const [listed] = await Promise.all([
      cliJson<{ total: { spans: number }; traces: { traceId: string }[] }>(["list", "--directory", directory]),
      ...commands.map((line) => look(line, directory)),
    ]);
    seen.push(listed.result.total.spans);
    const [trace] = listed.result.traces;
    const shown = await cli(["show", trace?.traceId ?? "none", "--directory", directory]);
    // The second round is while much is delivered, and deleted under the readers.
    if (round === 1) continue;
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    await server.setFault(undefined);
  }
  expect(seen[0]).toBeGreaterThan(0);
  const before = bot.report().spans.length;
  await until(() => bot.report().spans.length > before + spansPerSecond / 2);
  await bot.end("SIGTERM");
  const { spans, conservationGaps, unhandledRejections } = bot.report();
  expect({ conservationGaps, unhandledRejections }).toEqual({ conservationGaps: 0, unhandledRejections: 0 });
  const env = { ...keysEnv, LANGFUSE_BASE_URL: server.url };
  expect(await cliJson(["drain", "--directory", directory], env)).toMatchObject({ code: 0, result: { left: 0 } });
  const stored = server.ids();
  expect(spans.filter(({ id }) => !(id in stored))).toEqual([]);
  expect(server.account().twice).toBe(0);
});

async function look(line: string, directory: string): Promise<void> {
  const { code, stderr } = await cli([...line.split(" "), "--directory", directory]);
  expect({ line, code, stderr: code === 0 ? "" : stderr }).toEqual({ line, code: 0, stderr: "" });
}
