/** The table of metrics in docs/operations.md is what /metrics has, with the labels of each. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { BufferMetrics } from "../../src/server/operations/buffer-metrics.ts";
import { ReceiverMetrics } from "../../src/server/operations/receiver-metrics.ts";
import { addServerGauges, RequestLog } from "../../src/server/operations/request-log.ts";
import { RequestsUnderWay } from "../../src/server/requests-under-way.ts";
import { recordingLog } from "../support/sidecars.ts";

type Labels = Record<string, string[]>;

function documented(): Labels {
  const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const [, section = ""] = text.split("\n### Metrics\n");
  const rows = (section.split("\n### ", 1)[0] ?? "").split("\n").filter((line) => line.startsWith("| `"));
  return Object.fromEntries(
    rows.map((row) => {
      const [, name = "", labels = ""] = row.split("|");
      return [codeIn(name)[0] ?? "", codeIn(labels).toSorted()];
    }),
  );
}

function codeIn(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);
}

function served(): Labels {
  const registry = new Registry();
  registerAll(registry);
  const metrics = registry.getMetricsAsArray() as unknown as { name: string; labelNames: string[] }[];
  return Object.fromEntries(metrics.map(({ name, labelNames }) => [name, labelNames.toSorted()]));
}

/** What src/server/serve.ts registers, but for prom-client's own. */
function registerAll(registry: Registry): unknown[] {
  const server = createServer();
  addServerGauges(registry, new RequestsUnderWay(server), server);
  const { log } = recordingLog();
  return [
    new BufferMetrics(registry),
    new ReceiverMetrics(registry),
    new RequestLog({ registry, log, scheme: "http" }),
  ];
}

test("docs/operations.md lists every metric with its labels, and no other", () => {
  expect(documented()).toEqual(served());
});
