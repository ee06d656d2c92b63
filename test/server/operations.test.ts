import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import type { SpanBufferStats } from "../../src/index.ts";
import { BufferMetrics } from "../../src/server/operations/buffer-metrics.ts";
import type { RunningProject } from "../../src/server/running-project.ts";
import { disabledStats } from "../../src/stats.ts";
import { standIn, until } from "../support/buffers.ts";
import { basic, otlpJson, sidecarFor, standInKeys, type TestSidecar } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** `name{label="value"}` → value, as the text format has it. */
async function metricsOf({ url }: TestSidecar): Promise<{ text: string; values: Map<string, number> }> {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const found = /^([^#\s]+(?:\{.*\})?) (\S+)$/.exec(line);
    if (found !== null) values.set(found[1] as string, Number(found[2]));
  }
  return { text, values };
}

async function readyz({ url }: TestSidecar): Promise<{ status: number; body: Ready }> {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: (await response.json()) as Ready };
}

function reasonsOf({ body }: { body: Ready }): string {
  return body.projects[0]?.buffers[0]?.reasons.join() ?? "";
}

interface Ready {
  status: string;
  reasons: string[];
  projects: {
    name: string;
    reasons: string[];
    buffers: { buffer: string; ready: boolean; state: string; reasons: string[] }[];
  }[];
}

async function send(sidecar: TestSidecar, body: string): Promise<number> {
  const headers = { "content-type": "application/json" };
  return (await fetch(`${sidecar.url}/v1/traces`, { method: "POST", headers, body })).status;
}

describe("/livez and /readyz", () => {
  it("are well while Langfuse takes spans, and need no key", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { host: "0.0.0.0", buffer: standInKeys });
    const live = await fetch(`${sidecar.url}/livez`);
    expect([live.status, await live.json()]).toEqual([200, { status: "alive" }]);
    expect(await readyz(sidecar)).toEqual({
      status: 200,
      body: {
        status: "ready",
        reasons: [],
        projects: [
          {
            name: "default",
            reasons: [],
            buffers: [{ buffer: "spans", ready: true, state: "sending", pending: 0, reasons: [] }],
          },
        ],
      },
    });
  });

  it("are ready, and say so, while the keys are refused", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: { ...standInKeys, secretKey: "sk-lf-wrong" } });
    expect(await send(sidecar, otlpJson("refused"))).toBe(200);
    let ready = await readyz(sidecar);
    // The reason comes by another way than the state, and later.
    while (!/\(/.test(reasonsOf(ready))) ready = await readyz(sidecar);
    expect(ready.body.projects[0]?.buffers[0]?.state).toBe("held");
    expect(ready.status).toBe(200);
    expect(reasonsOf(ready)).toMatch(/^Langfuse refuses the keys.*127\.0\.0\.1/);
    expect(JSON.stringify(ready)).not.toContain("sk-lf-wrong");
  });

  it("are ready, and say so, while Langfuse is away", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "down" });
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    expect(await send(sidecar, otlpJson("away"))).toBe(200);
    let ready = await readyz(sidecar);
    while (!/\(/.test(reasonsOf(ready))) ready = await readyz(sidecar);
    expect(ready.body.projects[0]?.buffers[0]?.state).toBe("backing-off");
    expect(ready.status).toBe(200);
    expect(reasonsOf(ready)).toMatch(/^Langfuse takes nothing.*refused/);
  });

  it("are not ready when the journal cannot be written, and say why", async () => {
    const directory = join(temporaryDirectory(), "journals");
    // A file in the directory's place: also root cannot write into it.
    writeFileSync(directory, "");
    const sidecar = await sidecarFor("http://127.0.0.1:9", { buffer: { ...standInKeys, directory } });
    let ready = await readyz(sidecar);
    while (ready.status === 200) ready = await readyz(sidecar);
    expect(ready.status).toBe(503);
    expect(ready.body.status).toBe("not ready");
    expect(ready.body.projects[0]?.buffers[0]).toMatchObject({ ready: false });
    expect(reasonsOf(ready)).toMatch(/journal/);
    expect((await fetch(`${sidecar.url}/livez`)).status).toBe(200);
    rmSync(directory);
    while (ready.status !== 200) ready = await readyz(sidecar);
  });
});

it("tells of events of old SDKs that cannot be held, and of those that are", async () => {
  const langfuse = await standIn();
  await langfuse.setFault({ kind: "down" });
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "held"), "in the way");
  const sidecar = await sidecarFor(langfuse.url, { buffer: { ...standInKeys, directory } });
  const hold = async (): Promise<number> => {
    const body = { id: "trace-1", name: "held" };
    const batch = [{ id: "event-1", type: "trace-create", timestamp: new Date().toISOString(), body }];
    const request = { method: "POST", body: JSON.stringify({ batch }) };
    return (await fetch(`${sidecar.url}/api/public/ingestion`, request)).status;
  };
  expect(await hold()).toBe(503);
  const ready = await readyz(sidecar);
  expect(ready.status).toBe(200);
  expect(ready.body.projects[0]?.reasons[0]).toMatch(/^events of old SDKs: /);
  rmSync(join(directory, "held"));
  expect(await hold()).toBe(207);
  expect((await readyz(sidecar)).body.projects[0]?.reasons).toEqual([]);
  const { values } = await metricsOf(sidecar);
  expect(values.get('span_buffer_held_event_bytes{project="default"}')).toBeGreaterThan(50);
});

describe("/metrics", () => {
  it("has every figure of the buffers, by project and reason", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    expect(await send(sidecar, otlpJson("counted", 3))).toBe(200);
    await until(() => langfuse.account().spans === 3);
    let { text, values } = await metricsOf(sidecar);
    const labels = 'project="default",buffer="spans"';
    const value = (name: string, more = ""): number | undefined => values.get(`span_buffer_${name}{${labels}${more}}`);
    while (value("acknowledged_total") !== 3) ({ text, values } = await metricsOf(sidecar));
    expect(value("accepted_total")).toBe(3);
    expect(value("pending")).toBe(0);
    for (const reason of Object.keys(disabledStats().dropped)) {
      expect(value("dropped_total", `,reason="${reason}"`)).toBe(0);
    }
    expect(value("state", ',state="sending"')).toBe(1);
    expect(value("state", ',state="held"')).toBe(0);
    expect(value("journal_bytes")).toBeGreaterThan(0);
    // As many families as there are figures, and what is held of old SDKs.
    const figures: (keyof SpanBufferStats)[] = Object.keys(disabledStats()) as (keyof SpanBufferStats)[];
    const families = new Set([...text.matchAll(/^# TYPE (span_buffer_(?!receiver_)\w+)/gm)].map(([, name]) => name));
    expect(families.size).toBe(figures.length + 1);
    expect(values.get('span_buffer_held_event_bytes{project="default"}')).toBe(0);
    expect(values.get('span_buffer_receiver_accepted_total{project="default",kind="span"}')).toBe(3);
  });

  it("has OpenTelemetry's names where there are some", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    await send(sidecar, otlpJson("conventions", 2));
    await fetch(`${sidecar.url}/api/public/ingestion`, { method: "POST", body: '{"batch":[]}' });
    await fetch(`${sidecar.url}/nowhere/${"x".repeat(20)}`);
    await fetch(`${sidecar.url}/livez`, { method: "PROPFIND" });
    const component = 'otel_component_name="default/spans",otel_component_type="span_buffer_processor"';
    let { values } = await metricsOf(sidecar);
    while (values.get(`otel_sdk_exporter_span_exported_total{${component},error_type=""}`) !== 2) {
      ({ values } = await metricsOf(sidecar));
    }
    expect(values.get(`otel_sdk_processor_span_queue_size{${component}}`)).toBe(0);
    expect(values.get(`otel_sdk_processor_span_processed_total{${component},error_type=""}`)).toBe(2);
    const count = (method: string, status: number, route?: string): number | undefined => {
      const routeLabel = route === undefined ? "" : `,http_route="${route}"`;
      return values.get(
        `http_server_request_duration_seconds_count{http_request_method="${method}",url_scheme="http"${routeLabel},http_response_status_code="${status}"}`,
      );
    };
    expect(count("POST", 200, "/v1/traces")).toBe(1);
    // Not that of the routes behind it, which take all the rest below /api/public.
    expect(count("POST", 207, "/api/public/ingestion")).toBe(1);
    expect(count("GET", 404)).toBe(1);
    expect(count("_OTHER", 404)).toBe(1);
    expect(count("GET", 200, "/metrics")).toBeGreaterThan(0);
  });

  it("has the process's own figures, and this server's", async () => {
    const sidecar = await sidecarFor("http://127.0.0.1:9");
    const { values } = await metricsOf(sidecar);
    expect(values.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(values.get("process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(values.get("http_server_active_requests")).toBe(1);
    expect(values.get("span_buffer_receiver_connections")).toBeGreaterThanOrEqual(1);
  });

  it("looks at each buffer once, so that its figures are of one moment", () => {
    let looks = 0;
    const stats = (): SpanBufferStats => ({ ...disabledStats(), accepted: ++looks, pending: looks });
    const project = { name: "p", legacy: { heldBytes: 0 }, pipelines: () => [{ kind: "spans", pipeline: { stats } }] };
    new BufferMetrics(new Registry()).update([project as unknown as RunningProject]);
    expect(looks).toBe(1);
  });

  it("keeps within one scrape what is accepted equal to what became of it", async () => {
    const langfuse = await standIn();
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    const sending = Promise.all(Array.from({ length: 20 }, (_, index) => send(sidecar, otlpJson(`load ${index}`, 50))));
    for (let scrape = 0; scrape < 10; scrape++) {
      const { values } = await metricsOf(sidecar);
      const of = (name: string): number =>
        values.get(`span_buffer_${name}{project="default",buffer="spans"}`) ?? Number.NaN;
      const dropped = [...values].filter(([name]) => name.startsWith("span_buffer_dropped_total"));
      const droppedSum = dropped.reduce((sum, [, count]) => sum + count, 0);
      expect(of("accepted_total")).toBe(of("acknowledged_total") + of("pending") + of("dead_lettered") + droppedSum);
    }
    await sending;
  });
});

describe("health, as SDKs ask for it", () => {
  it.each(["/health", "/api/public/health"])("%s is the sidecar's own, also while Langfuse is away", async (path) => {
    const sidecar = await sidecarFor("http://127.0.0.1:9", { buffer: standInKeys });
    for (const headers of [{}, { authorization: basic(standInKeys) }, { authorization: "Bearer x" }] as const) {
      const response = await fetch(`${sidecar.url}${path}`, { headers });
      expect([response.status, await response.json()]).toEqual([200, { status: "OK", version: "4.0.0" }]);
    }
  });

  it("tells Langfuse's version once it is known, and remembers it", async () => {
    const langfuse = await standIn({ generation: "ingestion" });
    const sidecar = await sidecarFor(langfuse.url, { buffer: standInKeys });
    const version = async (): Promise<string> =>
      ((await (await fetch(`${sidecar.url}/api/public/health`)).json()) as { version: string }).version;
    expect(await version()).toBe("4.0.0");
    while ((await version()) !== "3.12.0") await new Promise((resolve) => setTimeout(resolve, 5));
    await langfuse.setFault({ kind: "down" });
    expect(await version()).toBe("3.12.0");
    // Behind the answers, and not for each of them.
    expect(langfuse.requests().filter(({ path }) => path === "/api/public/health").length).toBeLessThanOrEqual(2);
  });
});
