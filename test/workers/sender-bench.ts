/** A sender on a journal of its own, with a server that is a function. */
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { Journal } from "../../src/buffer/journal.ts";
import { createRingMemory } from "../../src/buffer/ring.ts";
import { RingConsumer } from "../../src/buffer/ring-consumer.ts";
import { RingProducer } from "../../src/buffer/ring-producer.ts";
import { Announcer } from "../../src/workers/announcer.ts";
import type { ExportReport, ExportTask } from "../../src/workers/messages.ts";
import { Rings } from "../../src/workers/rings.ts";
import { Sender, type SenderSetup } from "../../src/workers/sender.ts";
import { Store, type StoreSetup } from "../../src/workers/store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export interface Bench {
  store: Store;
  sender: Sender;
  journal: Journal;
  /** The texts of each request, in order. */
  requests: string[][];
  notices: string[];
  /** Puts texts into the ring and takes them. */
  push(...texts: string[]): void;
  /** Puts texts into the ring. */
  offer(...texts: string[]): void;
  rings: Rings;
  /** Dispatches until nothing is under way and nothing may start. */
  settle(): Promise<void>;
}

export type Answer = (texts: string[], task: ExportTask) => Partial<ExportReport> & Pick<ExportReport, "verdict">;

/** @param file an existing journal; without it a new one. */
export function makeBench(
  answer: Answer,
  overrides: Partial<SenderSetup & StoreSetup> = {},
  file: string = join(temporaryDirectory(), "journal.sqlite"),
  onSend: (task: ExportTask) => void = () => undefined,
): Bench {
  const journal = new Journal(file);
  onTestFinished(() => journal.close());
  const memory = createRingMemory(1024 * 1024);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory);
  consumer.claim();
  const rings = new Rings("ring", consumer);
  const notices: string[] = [];
  const announcer = new Announcer((message) => {
    if (message.type === "notice") notices.push(message.message);
  });
  const setup: SenderSetup & StoreSetup = {
    durability: "journal",
    maxQueueSize: 1000,
    maxDiskBytes: 1024 ** 3,
    maxDeadLetterBytes: 1024 ** 2,
    maxMemoryBytes: 64 * 1024 ** 2,
    provenAfterMs: 0,
    overflowPolicy: "drop-oldest",
    destination: { baseUrl: "http://127.0.0.1:1", publicKey: "pk", secretKey: "sk" },
    baseUrl: "http://127.0.0.1:1",
    transport: "otlp",
    sender: "sdk",
    compression: "none",
    batchSize: 100,
    maxBatchBytes: 1_000_000,
    flushIntervalMs: 30_000,
    exportConcurrency: 4,
    exportTimeoutMs: 1_000,
    ...overrides,
  };
  const store = new Store(setup, journal, announcer);
  const requests: string[][] = [];
  const pool = {
    async send(task: ExportTask): Promise<ExportReport> {
      onSend(task);
      const texts = textsOf(task);
      requests.push(texts);
      await Promise.resolve();
      return { truncated: 0, requests: 1, durationMs: 1, ...answer(texts, task) };
    },
  };
  const sender = new Sender(setup, store, pool, announcer, () => {
    store.outcomes.record();
    sender.dispatch();
  });
  const settle = async (): Promise<void> => {
    sender.dispatch();
    while (sender.inFlightCount > 0) await new Promise((resolve) => setImmediate(resolve));
  };
  const offer = (...texts: string[]): void => {
    for (const text of texts) expect(producer.pushText(text)).toBe(true);
  };
  const push = (...texts: string[]): void => {
    offer(...texts);
    while (store.takeFrom(rings, sender.circuit.state !== "sending"));
  };
  return { store, sender, journal, requests, notices, push, offer, rings, settle };
}

function textsOf(task: ExportTask): string[] {
  let offset = 0;
  return task.lengths.map((length) => Buffer.from(task.payloads.slice(offset, (offset += length))).toString());
}

export function numbered(count: number, start = 0): string[] {
  return Array.from({ length: count }, (_, index) => `span ${start + index}`);
}

export const good: Answer = () => ({ verdict: "acknowledged" });
