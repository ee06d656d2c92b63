import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { optionTable } from "../../src/option-table.ts";
import type { OtlpRequest } from "../../src/otlp/otlp-shape.ts";
import { standIn, until } from "../support/buffers.ts";
import { type Ended, startProgram } from "../support/programs.ts";
import { basic, otlpJson, standInKeys } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const keys = { LANGFUSE_PUBLIC_KEY: standInKeys.publicKey, LANGFUSE_SECRET_KEY: standInKeys.secretKey };

interface Running {
  url: string;
  directory: string;
  signal(name: NodeJS.Signals): void;
  stderr(): string;
  ended: Promise<Ended>;
}

function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}): ReturnType<typeof startProgram> {
  return startProgram("../../src/cli/main.ts", ["serve", ...args], { env });
}

/** A sidecar that accepts. */
async function running(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const directory = temporaryDirectory();
  const { child, ended } = serve(["--port", "0", "--directory", directory, ...args], env);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await until(() => stdout.includes("\n"));
  const url = /^listening on (\S+)\n$/.exec(stdout)?.[1];
  if (url === undefined) throw new Error(`it said: ${stdout}`);
  return { url, directory, ended, signal: (name) => void child.kill(name), stderr: () => stderr };
}

async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<number> {
  const type = { "content-type": "application/json" };
  return (await fetch(`${url}/v1/traces`, { method: "POST", headers: { ...type, ...headers }, body })).status;
}

describe("span-buffer serve", () => {
  it("says where it listens, takes spans, and after SIGTERM delivers and ends with 0", async () => {
    const langfuse = await standIn();
    const sidecar = await running(["--flush-interval", "60"], { ...keys, LANGFUSE_BASE_URL: langfuse.url });
    expect(sidecar.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await post(sidecar.url, otlpJson("taken", 5))).toBe(200);
    expect(langfuse.account().spans).toBe(0);
    sidecar.signal("SIGTERM");
    const { code, signal, stdout, stderr } = await sidecar.ended;
    expect([code, signal]).toEqual([0, null]);
    expect(stdout).toBe(`listening on ${sidecar.url}\n`);
    expect(langfuse.account()).toMatchObject({ spans: 5, twice: 0 });
    // Every line is JSON with a level.
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string; msg: string });
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(["accepts requests", "shutting down: accepts nothing more", "shut down"]),
    );
    expect(new Set(lines.map(({ level }) => level))).toEqual(new Set(["info"]));
  });

  it("keeps in the journal what cannot be delivered in time, and still ends with 0", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "down" });
    const args = ["--base-url", langfuse.url, "--shutdown-timeout-ms", "500"];
    const sidecar = await running(args, keys);
    expect(await post(sidecar.url, otlpJson("kept", 5))).toBe(200);
    sidecar.signal("SIGINT");
    expect((await sidecar.ended).code).toBe(0);
    await langfuse.setFault(undefined);
    const next = serve(["--port", "0", "--directory", sidecar.directory, ...args], keys);
    await until(() => langfuse.account().spans === 5);
    next.child.kill("SIGTERM");
    expect((await next.ended).code).toBe(0);
    expect(langfuse.account().twice).toBe(0);
  });

  it("hides what --mask and --mask-key say before it leaves", async () => {
    const langfuse = await standIn();
    const args = ["--base-url", langfuse.url, "--flush-interval", "0.05", "--mask", "email", "--mask-key", "pin"];
    const sidecar = await running(args, keys);
    const attributes = [
      { key: "langfuse.observation.input", value: { stringValue: "write to ann@example.com" } },
      { key: "langfuse.observation.output", value: { stringValue: '{"pin":"4711"}' } },
    ];
    const request = JSON.parse(otlpJson("masked")) as OtlpRequest;
    Object.assign(request.resourceSpans?.[0]?.scopeSpans?.[0]?.spans?.[0] ?? {}, { attributes });
    expect(await post(sidecar.url, JSON.stringify(request))).toBe(200);
    await until(() => langfuse.spans().length === 1);
    const stored = JSON.stringify(langfuse.spans());
    expect(stored).toContain("write to");
    expect(stored).not.toMatch(/ann@example|4711/);
  });

  it("ends at once with a second signal", async () => {
    const langfuse = await standIn();
    await langfuse.setFault({ kind: "hang" });
    const sidecar = await running(["--base-url", langfuse.url, "--shutdown-timeout-ms", "60000"], keys);
    expect(await post(sidecar.url, otlpJson("hanging"))).toBe(200);
    sidecar.signal("SIGTERM");
    await until(() => sidecar.stderr().includes("shutting down"));
    sidecar.signal("SIGTERM");
    expect((await sidecar.ended).code).toBe(143);
  });

  it("reads the projects file again on SIGHUP, and goes on", async () => {
    const langfuse = await standIn();
    const file = join(temporaryDirectory(), "projects.json");
    const other = { name: "other", publicKey: "pk-lf-other", secretKey: "sk-lf-other-secret" };
    writeFileSync(file, JSON.stringify([other]), { mode: 0o600 });
    const sidecar = await running(["--projects", file, "--base-url", langfuse.url, "--flush-interval", "0.05"]);
    const authorization = basic(standInKeys);
    expect(await post(sidecar.url, otlpJson("early"), { authorization })).toBe(401);
    writeFileSync(file, JSON.stringify([other, { name: "stand-in", ...standInKeys }]));
    sidecar.signal("SIGHUP");
    await until(() => sidecar.stderr().includes("the projects file was read again"));
    expect(await post(sidecar.url, otlpJson("late"), { authorization })).toBe(200);
    await until(() => langfuse.account().spans === 1);
    sidecar.signal("SIGTERM");
    expect((await sidecar.ended).code).toBe(0);
  });

  it("writes no secret anywhere, whatever is asked and however it is answered", async () => {
    const langfuse = await standIn();
    const secret = "sk-lf-t0p-s3cr3t";
    const sidecar = await running(["--log-level", "debug", "--base-url", langfuse.url, "--flush-interval", "0.05"], {
      LANGFUSE_PUBLIC_KEY: standInKeys.publicKey,
      LANGFUSE_SECRET_KEY: secret,
    });
    const mine = { publicKey: standInKeys.publicKey, secretKey: secret };
    const headers = [basic(mine), basic({ ...mine, secretKey: `${secret}-wrong` }), `Bearer ${secret}`, secret];
    const answers: string[] = [];
    for (const authorization of headers) {
      for (const path of ["/v1/traces", "/api/public/otel/v1/traces", "/api/public/ingestion", "/api/public/scores"]) {
        const init = { method: "POST", headers: { authorization, "content-type": "application/json" } };
        answers.push(await (await fetch(sidecar.url + path, { ...init, body: otlpJson("a payload") })).text());
        answers.push(await (await fetch(sidecar.url + path, { ...init, body: "{" })).text());
      }
      for (const path of ["/api/public/projects", "/readyz", "/metrics", "/health", "/nowhere"]) {
        answers.push(await (await fetch(sidecar.url + path, { headers: { authorization } })).text());
      }
    }
    await until(() => (langfuse.account().requestsByStatus["401"] ?? 0) > 0);
    sidecar.signal("SIGTERM");
    const { stdout, stderr } = await sidecar.ended;
    const files = readdirSync(sidecar.directory, { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => readFileSync(join(each.parentPath, each.name), "latin1"));
    for (const text of [stdout, stderr, ...answers, ...files]) {
      expect(text).not.toContain(secret);
      for (const header of headers) expect(text).not.toContain(header.replace(/^(Basic|Bearer) /, ""));
    }
    expect(stderr).not.toContain("a payload");
    // It did log the requests.
    expect(stderr).toMatch(/"level":"debug".*"route":"\/v1\/traces"/);
  });

  describe("a command line that is not understood ends with 2 and says why", () => {
    const secret = "sk-lf-t0p-s3cr3t";
    const lines: readonly [what: string, args: readonly string[], env: NodeJS.ProcessEnv, words: RegExp][] = [
      ["an unknown flag", ["--prot", "1"], {}, /unknown option '--prot'\n\(Did you mean --port\?\)/],
      [
        "a misspelt flag of the buffer",
        ["--batchsize", "1"],
        {},
        /unknown option '--batchsize'\n\(Did you mean --batch-size\?\)/,
      ],
      ["a misspelt flag with a secret", [`--secretkey=${secret}`], {}, /unknown option '--secretkey'\n/],
      ["a value out of range", ["--batch-size", "0"], {}, /option --batch-size 0 is not allowed: 1 … 10000/],
      ["no number", ["--port", "http"], {}, /option --port "http" is not allowed: 0 … 65535/],
      ["a variable", [], { LANGFUSE_FLUSH_AT: "many" }, /option "LANGFUSE_FLUSH_AT" "many" is not allowed: 1 … 10000/],
      ["a variable of its own", [], { SPAN_BUFFER_PORT: "x" }, /option "SPAN_BUFFER_PORT" "x" is not allowed/],
      [
        "a mask that is none",
        ["--mask", "email", "--mask", "mail"],
        {},
        /option --mask \["email","mail"\] is not allowed/,
      ],
      ["a flag without its value", ["--port"], {}, /option '--port <number>' argument missing/],
      ["an argument too many", ["4318"], {}, /too many arguments/],
      ["durability overflow", ["--durability", "overflow"], {}, /"overflow" is not for a sidecar: it answers 200 only/],
      ["a bind without keys", ["--host", "0.0.0.0"], {}, /listening on 0\.0\.0\.0 is refused without keys/],
      ["a level that is none", ["--log-level", "loud"], {}, /option --log-level "loud" is not allowed: "debug"/],
      [
        "a secret in the wrong place",
        ["--public-key", secret, "--secret-key", "x"],
        {},
        /option --public-key is not allowed: a public key/,
      ],
      [
        "a URL with a password",
        ["--base-url", `http://u:${secret}@h`],
        {},
        /option --base-url is not allowed: an http or https URL without/,
      ],
    ];

    it.each(lines)("%s", async (_, args, env, words) => {
      const { code, stdout, stderr } = await serve(["--directory", temporaryDirectory(), ...args], env).ended;
      expect(stderr).toMatch(/^error: /);
      expect(stderr).toMatch(words);
      expect(stderr).toContain("span-buffer serve --help");
      expect(stderr).not.toContain(secret);
      expect([code, stdout]).toEqual([2, ""]);
    });
  });

  it("says clearly that the port is in use, and ends with 1", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await serve(["--port", `${port}`, "--directory", temporaryDirectory()]).ended;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      `error: cannot listen on 127.0.0.1, port ${port}: the port is in use, perhaps by another sidecar or an OpenTelemetry Collector; stop that, or take another port\n`,
    );
  });

  it("says what is wrong with the projects file, and ends with 1", async () => {
    const file = join(temporaryDirectory(), "projects.json");
    writeFileSync(file, '[{"name":"a","publicKey":"pk-lf-a"}]', { mode: 0o600 });
    const { code, stderr } = await serve(["--projects", file, "--port", "0"]).ended;
    expect([code, stderr]).toEqual([1, `error: the projects file ${file}: entry 1: secretKey is missing\n`]);
  });

  it("--help has every option of the buffer that a program line can give", async () => {
    const { code, stdout } = await serve(["--help"]).ended;
    expect(code).toBe(0);
    const notHere = new Set(["maskJournal", "sampling", "shouldExportSpan", "logger", "destinations"]);
    for (const name of Object.keys(optionTable)) {
      const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} `;
      expect([name, stdout.includes(flag)]).toEqual([name, !notHere.has(name)]);
    }
  });
});
