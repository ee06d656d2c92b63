import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { transform } from "@swc/core";
import { expect, test } from "vitest";
import { activeSpan, observe, observed } from "../../src/index.ts";
import { observedWith } from "../../src/tracing/observe.ts";
import type { defineBot } from "../programs/decorated-bot.ts";
import { bufferFor, standIn } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { makeTracer } from "./make-tracer.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const source = join(root, "test/programs/decorated-bot.ts");

async function byTypeScript(folder: string): Promise<string> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const options = ["--ignoreConfig", "--noCheck", "--target", "es2022", "--module", "esnext"];
  const paths = [
    "--rootDir",
    root,
    "--outDir",
    folder,
    "--allowImportingTsExtensions",
    "--rewriteRelativeImportExtensions",
  ];
  const resolution = ["--moduleResolution", "bundler"];
  await promisify(execFile)(process.execPath, [tsc, ...options, ...resolution, ...paths, source]);
  return join(folder, "test/programs/decorated-bot.js");
}

async function bySwc(folder: string): Promise<string> {
  const { code } = await transform(readFileSync(source, "utf8"), {
    jsc: {
      parser: { syntax: "typescript", decorators: true },
      transform: { decoratorVersion: "2022-03" },
      target: "es2022",
    },
    module: { type: "es6" },
  });
  const file = join(folder, "decorated-bot.js");
  writeFileSync(file, code);
  return file;
}

test.each([
  ["TypeScript", byTypeScript],
  ["swc", bySwc],
])("@observed as %s compiles it: public, static, private, async and generator methods", async (_name, compile) => {
  const folder = temporaryDirectory();
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const module = (await import(pathToFileURL(await compile(folder)).href)) as { defineBot: typeof defineBot };
  const { tracer, named, spans } = makeTracer();
  const bot = module.defineBot((options) => observedWith(() => tracer, options)).create();
  expect(bot.greet("you")).toBe("hello you");
  expect(await bot.ponder()).toBe(42);
  expect([...bot.count()]).toEqual(["one ", "two"]);
  expect(named("greet")).toMatchObject({ type: "tool", input: "you", output: "hello you" });
  expect(named("#guess").parentSpanId).toBe(named("think").spanId);
  expect(named("count").output).toBe("one two");
  expect(spans.map(({ name }) => name)).toEqual(["create", "greet", "#guess", "think", "count"]);
});

test("by a plain call, and a clear word where it is no decorator of TC39's", () => {
  const { tracer, named } = makeTracer();
  const decorator = observedWith(() => tracer);
  const context = { kind: "method", name: "greet", static: false, private: false } as ClassMethodDecoratorContext;
  const greet = decorator(function (this: { greeting: string }) {
    return this.greeting;
  }, context);
  expect(greet.call({ greeting: "hello" })).toBe("hello");
  expect(named("greet").output).toBe("hello");
  const oldForm = decorator as unknown as (target: object, key: string, descriptor: object) => void;
  expect(() => oldForm({}, "greet", {})).toThrow(/TC39.*experimentalDecorators.*observe\(fn\)/);
  expect(() => observedWith(() => tracer, { typ: "tool" } as object)).toThrow(/unknown option "typ"/);
});

test("observe and observed of the package: the active span's buffer, else the first living one, else untraced", async () => {
  const context = { kind: "method", name: "answer" } as ClassMethodDecoratorContext;
  const answer = observed()(() => "42", context);
  const untraced = observe(() => activeSpan(), { name: "untraced" });
  expect(untraced()).toBeUndefined();
  const server = await standIn();
  const first = bufferFor(server.url);
  const second = bufferFor(server.url);
  expect(answer()).toBe("42");
  expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 0]);
  second.startActiveSpan("in second", () => answer());
  expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 2]);
  await first.shutdown();
  answer();
  expect([first.stats().accepted, second.stats().accepted]).toEqual([1, 3]);
});
