/**
 * Journals that were cut or overwritten at random, and what becomes of their spans: a buffer is started on each, and
 * what the server has stored in the end is held against what SQLite can still read, row by row, on a copy.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { JournalOwner } from "../../src/buffer/journal-owner.ts";
import { takeJournalSlot } from "../../src/buffer/journal-slot.ts";
import { PackedPayloads } from "../../src/buffer/packed-payloads.ts";
import { SpanRun } from "../../src/buffer/span-run.ts";
import { openDatabase } from "../../src/buffer/sqlite.ts";
import { SpanBuffer } from "../../src/index.ts";
import { startStandIn } from "../../src/stand-in/index.ts";
import { Random } from "./random.ts";

export interface DamageOptions {
  seed: number;
  /** Journals to damage. */
  count: number;
  /** An empty folder. */
  directory: string;
  /** Numbers of the journals to look at, to repeat what failed. Default: all. */
  only?: readonly number[];
  onProgress?: (done: number, account: DamageAccount) => void;
}

export interface DamageAccount {
  seed: number;
  journals: number;
  /** Of them, those that were found damaged and replaced. */
  replaced: number;
  /** Rows that SQLite could still read, as they were written. */
  readable: number;
  /** Of them, those that the server has in the end. */
  stored: number;
  /** Spans that were ended while the damaged journal was in use, and those of them that were stored. */
  ended: number;
  endedStored: number;
  /** Journals after which something was wrong: which, how they were damaged, what was missing. */
  failures: string[];
}

const keys = { publicKey: "pk-lf-stand-in", secretKey: "sk-lf-stand-in" };
const journalName = "journal-1.sqlite";
const files = [journalName, `${journalName}-wal`] as const;
const spansEnded = 20;

/** @throws when a process-wide failure shows that a buffer threw where it never may. */
export async function runDamage({ seed, count, directory, only, onProgress }: DamageOptions): Promise<DamageAccount> {
  const random = new Random(seed);
  const server = await startStandIn();
  const account: DamageAccount = {
    seed,
    journals: 0,
    replaced: 0,
    readable: 0,
    stored: 0,
    ended: 0,
    endedStored: 0,
    failures: [],
  };
  try {
    const originals = [60, 300, 1_000].flatMap((spans) =>
      [true, false].map((isClosed) =>
        writeOriginal(join(directory, `${spans}-${isClosed}`), server.url, spans, isClosed),
      ),
    );
    for (let index = 0; index < count; index++) {
      server.clear();
      const folder = join(directory, `damaged-${index}`);
      const original = random.pick(originals);
      mkdirSync(folder);
      for (const name of readdirSync(original.folder)) copyFileSync(join(original.folder, name), join(folder, name));
      const how = damage(folder, random);
      if (only?.includes(index) === false) {
        rmSync(folder, { recursive: true });
        continue;
      }
      const readable = readableIds(folder, join(directory, "copy"), original.payloads);
      const { ended, said } = await useJournal(folder, server.url);
      const stored = server.ids();
      account.journals++;
      account.readable += readable.length;
      account.ended += ended.length;
      account.stored += readable.filter((id) => id in stored).length;
      account.endedStored += ended.filter((id) => id in stored).length;
      if (readdirSync(folder).some((name) => name.includes(".damaged-"))) account.replaced++;
      const missing = [...readable, ...ended].filter((id) => !(id in stored)).length;
      if (missing > 0)
        account.failures.push(`${index} (${how}): ${missing} spans are missing; said: ${said.join("; ")}`);
      rmSync(folder, { recursive: true });
      onProgress?.(index + 1, account);
    }
    return account;
  } finally {
    await server.close();
  }
}

interface Original {
  folder: string;
  /** By span id, as written. */
  payloads: Map<string, string>;
}

/** A journal with spans, as a process leaves it: closed in order, or killed with its write-ahead log. */
function writeOriginal(folder: string, baseUrl: string, spans: number, isClosed: boolean): Original {
  const used = `${folder}-used`;
  const owner: JournalOwner = { baseUrl, publicKey: keys.publicKey };
  const slot = takeJournalSlot(used, owner, "ring");
  const payloads = new Map<string, string>();
  const random = new Random(spans);
  for (let done = 0; done < spans; done += 20) {
    const texts = Array.from({ length: 20 }, () => {
      const spanId = Array.from({ length: 16 }, () => random.whole(0, 15).toString(16)).join("");
      const text = payloadOf(spanId, "x".repeat(random.whole(0, random.next() < 0.05 ? 40_000 : 1_500)));
      payloads.set(spanId, text);
      return Buffer.from(text);
    });
    slot.journal.insert([new SpanRun(slot.journal.nextIds(20), Date.now(), PackedPayloads.of(texts), false)]);
  }
  mkdirSync(folder);
  if (isClosed) slot.journal.close();
  for (const name of readdirSync(used)) {
    if (!name.endsWith(".lock") && !name.endsWith("-shm")) copyFileSync(join(used, name), join(folder, name));
  }
  if (!isClosed) slot.journal.close();
  slot.release();
  return { folder, payloads };
}

function payloadOf(spanId: string, input: string): string {
  const startTimeUnixNano = "1793520000000000000";
  const endTimeUnixNano = "1793520001000000000";
  return JSON.stringify({ traceId: spanId + spanId, spanId, name: "span", startTimeUnixNano, endTimeUnixNano, input });
}

/** Cuts or overwrites; says what it has done. */
function damage(folder: string, random: Random): string {
  const present = files.filter((name) => existsSync(join(folder, name)));
  const name = random.pick(present);
  const file = join(folder, name);
  const content = readFileSync(file);
  if (random.next() < 0.3) {
    const length = random.whole(0, content.length);
    truncateSync(file, length);
    return `${name} cut at ${length} of ${content.length}`;
  }
  if (random.next() < 0.1) {
    rmSync(file);
    return `${name} removed`;
  }
  const isWild = random.next() < 0.5;
  const flips = isWild ? random.whole(1, 200) : random.whole(1, 5);
  // Half of the time where it hurts: the first pages hold the schema and the roots of the trees.
  const within = random.next() < 0.5 ? content.length : Math.min(content.length, 32_768);
  const places: number[] = [];
  for (let flip = 0; flip < flips && content.length > 0; flip++) {
    const at = random.whole(0, within - 1);
    places.push(at);
    content[at] = (content[at] as number) ^ (1 << random.whole(0, 7));
  }
  writeFileSync(file, content);
  return `${flips} bits of ${name}, the first at ${places[0]}`;
}

/** The spans that SQLite can read, each asked for by itself, on a copy. */
function readableIds(folder: string, copy: string, payloads: ReadonlyMap<string, string>): string[] {
  mkdirSync(copy);
  try {
    for (const name of files) if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
    // Without its database SQLite deletes a write-ahead log: nothing can be read.
    if (!existsSync(join(copy, journalName))) return [];
    const database = openDatabase(join(copy, journalName));
    const readable: string[] = [];
    try {
      const select = database.prepare<[number], Buffer>("SELECT payload FROM spans WHERE id = ?").pluck();
      for (let id = 1; id <= payloads.size; id++) {
        try {
          const text = String(select.get(id) ?? "");
          const { spanId } = JSON.parse(text) as { spanId: string };
          if (payloads.get(spanId) === text) readable.push(spanId);
        } catch {
          // Not this one.
        }
      }
    } finally {
      database.close();
    }
    return readable;
  } catch {
    return [];
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** What a bot does that is started on such a journal: the ids of the spans that it ended, and what was said to it. */
async function useJournal(directory: string, baseUrl: string): Promise<{ ended: string[]; said: string[] }> {
  const said: string[] = [];
  const buffer = new SpanBuffer({
    ...keys,
    baseUrl,
    directory,
    flushInterval: 0.05,
    logger: { warn: (message) => said.push(message) },
  });
  const ended = Array.from({ length: spansEnded }, () => {
    const span = buffer.startSpan("while damaged");
    span.end();
    return span.spanId;
  });
  await buffer.flush({ timeoutMs: 20_000 });
  await buffer.shutdown({ timeoutMs: 5_000 });
  const { accepted, acknowledged, pending, deadLettered, dropped } = buffer.stats();
  const gap =
    accepted - acknowledged - pending - deadLettered - Object.values(dropped).reduce((sum, each) => sum + each, 0);
  if (gap !== 0) throw new Error(`conservation is broken by ${gap}: ${JSON.stringify(buffer.stats())}`);
  return { ended, said };
}
