/** How the tasks behave as guests: in an export thread, and in whatever process runs them. */
import { Piscina } from "piscina";
import { expect, test, vi } from "vitest";
import { send } from "../../src/export/task.ts";
import type { ExportReport } from "../../src/workers/messages.ts";
import { healthPath, html, json, scriptedServer, stored } from "./scripted-server.ts";
import { span, taskFor, ways } from "./tasks.ts";

test.each(["sdk", "direct"] as const)(
  "several tasks at once in one export thread, on both transports, by %s",
  async (sender) => {
    await using server = await scriptedServer((request) =>
      request.path === healthPath ? json(200, { version: "2.1.1" }) : stored(request),
    );
    const pool = new Piscina({
      filename: new URL("../../src/export/task.ts", import.meta.url).href,
      maxThreads: 1,
      concurrentTasksPerWorker: 4,
      atomics: "disabled",
    });
    try {
      const reports = await Promise.all(
        [1, 2, 3, 4].map(async (number) => {
          const task = taskFor(server.url, [span(number)], { transport: number % 2 === 0 ? "otlp" : "auto", sender });
          return (await pool.run(task, { name: "send", transferList: [task.payloads.buffer] })) as ExportReport;
        }),
      );
      expect(reports.map(({ verdict, transport }) => `${verdict} ${transport}`)).toEqual([
        "acknowledged ingestion",
        "acknowledged otlp",
        "acknowledged ingestion",
        "acknowledged otlp",
      ]);
      expect(reports.reduce((sum, { requests }) => sum + requests, 0)).toBe(server.requests.length);
    } finally {
      await pool.destroy();
    }
  },
);

test("nothing on the console, no listener on the process", async () => {
  const spies = (["debug", "log", "info", "warn", "error"] as const).map((method) => vi.spyOn(console, method));
  const before = listeners();
  await using server = await scriptedServer(() => html(503, { "retry-after": "1" }));
  // Destinations of their own, so that the SDKs' clients are built here.
  for (const way of ways) await send(taskFor(server.url, [span(1)], way));
  expect(server.requests).toHaveLength(ways.length);
  expect(spies.flatMap((spy) => spy.mock.calls)).toEqual([]);
  expect(listeners()).toEqual(before);
  vi.restoreAllMocks();
});

function listeners(): unknown[] {
  return process.eventNames().map((name) => [name, process.listenerCount(name)]);
}
