/** `doctor` on its way through a healthy buffer, and through settings and disks that are not. */
import {
  chmodSync,
  existsSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { examineNode } from "../../src/cli/doctor/start.ts";
import { SmallDisk } from "../chaos/small-disk.ts";
import { bufferFor, endSpans, standIn, until } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { standInKeys } from "../support/sidecars.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type Examined, environmentOf, examined, examinedByCommand, withoutRights } from "./examined.ts";

/** Nothing listens there, and nothing is to be asked: for steps before the network. */
const nowhere = "http://127.0.0.1:9";

/** But for the steps that ask the network. */
function failedAtHome(failed: readonly string[]): string[] {
  return failed.filter((each) => !/^(DNS|TCP|TLS|HTTP|clock|access|transport|send|find):/.test(each));
}

describe("in health", () => {
  test.each(["otlp", "ingestion"] as const)(
    "%s: every step is well, the trace arrives and is found, nothing is left on the disk",
    async (generation) => {
      const langfuse = await standIn({ generation });
      const directory = temporaryDirectory();
      const { steps, failed, notes, of, code, stderr } = await examinedByCommand(
        { LANGFUSE_BASE_URL: langfuse.url, SPAN_BUFFER_DIRECTORY: directory },
        [],
      );
      expect([failed, notes, code, stderr]).toEqual([[], [], exitCodes.ok, ""]);
      expect(steps.map(({ status }) => status)).toEqual(steps.map(() => "ok"));
      expect(of("access").message).toBe('project "Stand-in" (project-stand-in)');
      expect(of("transport").message).toMatch(new RegExp(`^${generation}, as Langfuse `));
      expect(langfuse.account()).toMatchObject({ spans: 1, twice: 0 });
      expect(of("send").message).toContain(langfuse.spans()[0]?.traceId);
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test("a directory that is not there is made for the examination alone; --no-send sends nothing", async () => {
    const langfuse = await standIn();
    const above = temporaryDirectory();
    const directory = join(above, "state", "bot");
    const { failed, of } = await examined({ LANGFUSE_BASE_URL: langfuse.url, SPAN_BUFFER_DIRECTORY: directory });
    expect(failed).toEqual([]);
    expect(of("directory").message).toBe(`${directory} is not there yet, and can be made`);
    expect(of("locks").status).toBe("ok");
    expect([of("send").status, of("find").status]).toEqual(["skipped", "skipped"]);
    expect(readdirSync(above)).toEqual([]);
    expect(langfuse.account().spans).toBe(0);
  });

  test("without colours: a line for each step, the remedy below a failure, and the sum", async () => {
    const env = environmentOf({ LANGFUSE_BASE_URL: nowhere, LANGFUSE_SECRET_KEY: undefined, NO_COLOR: "1" });
    const { code, stdout, stderr } = await startProgram("../../src/cli/main.ts", ["doctor"], { env }).ended;
    expect([code, stderr]).toEqual([exitCodes.unhealthy, ""]);
    expect(stdout).toMatch(/^ok {6}Node {7}\d+\.\d+\.\d+ on \w+/m);
    expect(stdout).toMatch(/^FAILED {2}keys {7}the secret key is not set\n {19}→ set LANGFUSE_SECRET_KEY too; /m);
    expect(stdout).toMatch(/^FAILED {2}TCP .*ECONNREFUSED.*\n +→ start Langfuse, or correct the port/m);
    expect(stdout).toMatch(/^skipped HTTP {7}needs TLS$/m);
    expect(stdout).toMatch(/\n\n2 steps failed\.\n$/);
  });
});

describe("Node, settings, keys and base URL", () => {
  test("a Node that is too old", () => {
    expect(examineNode("20.11.1")).toEqual({
      status: "failed",
      cause: "node-too-old",
      message: "langfuse-span-buffer needs Node 22.18 or newer, this is Node 20.11.1",
    });
    expect(examineNode("22.17.0").status).toBe("failed");
    expect(examineNode("22.18.0").status).toBe("ok");
  });

  const secret = "sk-lf-t0p-s3cr3t";
  const pub = "pk-lf-someone";
  const cases: readonly [what: string, env: Record<string, string | undefined>, failed: string][] = [
    ["no keys", { LANGFUSE_PUBLIC_KEY: undefined, LANGFUSE_SECRET_KEY: "" }, "keys: keys-missing"],
    ["only the secret key", { LANGFUSE_PUBLIC_KEY: undefined }, "keys: public-key-missing"],
    ["only the public key", { LANGFUSE_SECRET_KEY: undefined }, "keys: secret-key-missing"],
    ["keys swapped", { LANGFUSE_PUBLIC_KEY: secret, LANGFUSE_SECRET_KEY: pub }, "keys: keys-swapped"],
    ["the secret key twice", { LANGFUSE_PUBLIC_KEY: secret }, "keys: secret-key-as-public-key"],
    ["the public key twice", { LANGFUSE_SECRET_KEY: pub }, "keys: public-key-as-secret-key"],
    ["keys in the URL", { LANGFUSE_BASE_URL: `https://${pub}:${secret}@h.test` }, "base URL: base-url-credentials"],
    ["the path of a page", { LANGFUSE_BASE_URL: "http://h.test/project/abc/traces" }, "base URL: base-url-path"],
    ["the path of the API", { LANGFUSE_BASE_URL: "http://h.test/api/public/otel" }, "base URL: base-url-path"],
    ["no scheme", { LANGFUSE_BASE_URL: "cloud.langfuse.com" }, "base URL: base-url-invalid"],
    ["another scheme", { LANGFUSE_BASE_URL: "ftp://cloud.langfuse.com" }, "base URL: base-url-invalid"],
    ["a value out of range", { LANGFUSE_FLUSH_AT: "many" }, "settings: setting-invalid"],
    [
      "settings that exclude each other",
      { SPAN_BUFFER_COMPRESSION: "gzip", SPAN_BUFFER_SENDER: "sdk" },
      "settings: setting-invalid",
    ],
  ];

  test.each(cases)("%s", async (_, env, expected) => {
    const { failed, steps, of } = await examined({ LANGFUSE_BASE_URL: nowhere, ...env }, { timeoutMs: 500 });
    expect(failedAtHome(failed)).toEqual([expected]);
    const [step = ""] = expected.split(":");
    expect(of(step).remedy).not.toBe("");
    expect(of("send").status).toBe("skipped");
    expect(JSON.stringify(steps)).not.toContain(secret);
    expect(JSON.stringify(steps)).not.toContain(standInKeys.secretKey);
  });

  test("a wrong value is named with its variable and what is allowed; the other steps go on", async () => {
    const langfuse = await standIn();
    const { failed, of } = await examined(
      { LANGFUSE_BASE_URL: langfuse.url, LANGFUSE_FLUSH_AT: "many" },
      { isSending: true },
    );
    expect(failed).toEqual(["settings: setting-invalid"]);
    expect(of("settings").message).toBe('option "LANGFUSE_FLUSH_AT" "many" is not allowed: 1 … 10000');
    expect([of("access").status, of("send").message]).toEqual(["ok", "needs settings"]);
  });

  test("each setting with its source; of keys only that they are set, and how they begin", async () => {
    const directory = temporaryDirectory();
    const { of } = await examined({
      LANGFUSE_HOST: nowhere,
      LANGFUSE_FLUSH_AT: "7",
      SPAN_BUFFER_DIRECTORY: directory,
    });
    const list = of("settings").details as { name: string }[];
    const byName = Object.fromEntries(list.map(({ name, ...rest }) => [name, rest]));
    expect(byName["batchSize"]).toEqual({
      value: "7",
      source: "environment",
      variable: "LANGFUSE_FLUSH_AT",
      problem: null,
    });
    expect(byName["baseUrl"]).toMatchObject({ value: nowhere, variable: "LANGFUSE_HOST" });
    expect(byName["publicKey"]).toMatchObject({ value: "set (pk-…)", variable: "LANGFUSE_PUBLIC_KEY" });
    expect(byName["secretKey"]).toMatchObject({ value: "set (sk-…)", variable: "LANGFUSE_SECRET_KEY" });
    expect(byName["maxQueueSize"]).toMatchObject({ value: "10000", source: "default", variable: null });
    expect(of("settings").message).toContain("batchSize 7 (LANGFUSE_FLUSH_AT)");
    expect(of("settings").message).not.toContain("maxQueueSize");
  });

  test("tracing that is off, and http to another machine, are worth a note", async () => {
    const env = { LANGFUSE_BASE_URL: "http://h.invalid", LANGFUSE_TRACING_ENABLED: "false", HTTP_PROXY: "" };
    const { notes } = await examined({ ...env, SPAN_BUFFER_DIRECTORY: temporaryDirectory() }, { timeoutMs: 1 });
    expect(notes.slice(0, 2)).toEqual(["settings: tracing-off", "base URL: base-url-unencrypted"]);
  });
});

/** With a directory of the test's own, before any step that asks the network goes well. */
async function atHome(directory: string): Promise<Examined> {
  return await examined({ LANGFUSE_BASE_URL: nowhere, SPAN_BUFFER_DIRECTORY: directory });
}

describe("the directory", () => {
  test("a file in its place, or in the place of a directory above it", async () => {
    const file = join(temporaryDirectory(), "state");
    writeFileSync(file, "in the way");
    for (const directory of [file, join(file, "bot")]) {
      const { failed, of } = await atHome(directory);
      expect(failedAtHome(failed)).toEqual(["directory: directory-in-the-way"]);
      expect([of("disk").message, of("locks").status]).toEqual(["needs directory", "skipped"]);
    }
  });

  test("it cannot be made", async () => {
    const above = temporaryDirectory();
    chmodSync(above, 0o555);
    withoutRights();
    const { failed } = await atHome(join(above, "state"));
    expect(failedAtHome(failed)).toEqual(["directory: directory-not-creatable"]);
  });

  test("it cannot be written", async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o555);
    withoutRights();
    const { failed, of } = await atHome(directory);
    expect(failedAtHome(failed)).toEqual(["directory: directory-not-writable"]);
    expect(of("directory").message).toContain("EACCES");
  });

  test("its disk is full", async ({ skip }) => {
    const disk = SmallDisk.mount(join(temporaryDirectory(), "disk"), 4) ?? skip("mounting a small disk needs root");
    onTestFinished(() => disk.unmount());
    const directory = join(disk.directory, "state");
    mkdirSync(directory, { mode: 0o700 });
    disk.fill();
    const full = await atHome(directory);
    expect(failedAtHome(full.failed)).toHaveLength(1);
    expect(failedAtHome(full.failed)[0]).toMatch(/^(disk|directory): disk-full$/);
    expect(readdirSync(directory)).toEqual([]);
    disk.free();
    const free = await atHome(directory);
    expect(failedAtHome(free.failed)).toEqual([]);
    expect(free.notes).toEqual(["disk: disk-nearly-full"]);
  });

  test("it is open to others, or another user's", async ({ skip }) => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o755);
    expect((await atHome(directory)).notes).toContain("directory: directory-open-to-others");
    if (process.geteuid?.() !== 0) skip("only root is another user where it pleases");
    chmodSync(directory, 0o777);
    withoutRights();
    // The real user stays root: whose process it is.
    expect((await atHome(directory)).failed).not.toContain("directory: directory-not-writable");
  });
});

/** Made as a buffer makes it, with so many spans, whose owner has the given public key. */
function journalIn(directory: string, count: number, publicKey: string = standInKeys.publicKey): string {
  const file = join(directory, "journal-1.sqlite");
  const journal = new Journal(file);
  journal.meta.set("base_url", nowhere);
  journal.meta.set("public_key", publicKey);
  journal.insertPayloads(
    Array.from({ length: count }, () => Buffer.alloc(2_000, "x")),
    Date.now() - 60_000,
  );
  journal.close();
  return file;
}

describe("journals", () => {
  test("damaged: its inside is overwritten, or all of it", async () => {
    const directory = temporaryDirectory();
    const file = journalIn(directory, 500);
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, Buffer.alloc(64 * 1024, 0xa5), 0, 64 * 1024, 256 * 1024);
    closeSync(descriptor);
    expect(failedAtHome((await atHome(directory)).failed)).toEqual(["journals: journal-damaged"]);
    writeFileSync(file, "no database at all, and long enough to be seen as one ".repeat(50));
    const { failed, of } = await atHome(directory);
    expect(failedAtHome(failed)).toEqual(["journals: journal-damaged"]);
    expect(of("journals").message).toContain("journal-1.sqlite: file is not a database");
    // It is only looked at: nothing is set aside, and SQLite's own companions hold nothing.
    expect(readFileSync(file, "utf8")).toMatch(/^no database at all/);
    expect(readdirSync(directory).filter((name) => !/-(shm|wal)$/.test(name))).toEqual(["journal-1.sqlite"]);
  });

  test("of a newer version", async () => {
    const directory = temporaryDirectory();
    const database = openDatabase(journalIn(directory, 1));
    database.pragma("user_version = 77");
    database.close();
    const { failed, of } = await atHome(directory);
    expect(failedAtHome(failed)).toEqual(["journals: journal-newer"]);
    expect(of("journals").message).toContain("journal has version 77");
  });

  test("in use by a living process: a note, and the process is not disturbed", async () => {
    const server = await standIn();
    const directory = temporaryDirectory();
    const warnings: string[] = [];
    const buffer = bufferFor(server.url, { directory, logger: { warn: (text) => void warnings.push(text) } });
    endSpans(buffer, 10);
    await until(() => existsSync(join(directory, "journal-1.sqlite")) && buffer.stats().acknowledged === 10);
    const { failed, notes } = await examined({ LANGFUSE_BASE_URL: server.url, SPAN_BUFFER_DIRECTORY: directory });
    expect(failed).toEqual([]);
    expect(notes).toEqual(["journals: journal-in-use"]);
    endSpans(buffer, 10);
    await buffer.flush();
    expect([buffer.stats().acknowledged, warnings]).toEqual([20, []]);
  });

  test("left behind, of this project or another one; with dead letters", async () => {
    const directory = temporaryDirectory();
    const file = journalIn(directory, 3);
    const own = await atHome(directory);
    expect([own.notes, own.of("journals").message]).toEqual([
      ["journals: journal-left-behind"],
      "1 file, 3 records waiting\njournal-1.sqlite was left behind with 3 waiting",
    ]);
    const journal = new Journal(file);
    journal.meta.set("public_key", "pk-lf-other");
    journal.together(() => {
      const { runs } = journal.read({ fromId: 0, throughId: 9, maxSpans: 1, maxBytes: 9_999, atLeastOne: true });
      const [span] = runs;
      if (span !== undefined) journal.bury([{ span, status: 400, reason: "no" }], Date.now(), 1e6);
    });
    journal.close();
    const other = await atHome(directory);
    expect(other.notes).toEqual(["journals: journal-of-another-project"]);
    expect(other.of("journals").message).toContain(`pk-lf-other at ${nowhere}`);
    expect(other.of("journals").message).toContain("has 1 dead letter");
  });
});
