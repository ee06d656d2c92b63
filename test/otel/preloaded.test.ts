/** Tracing that is loaded with NODE_OPTIONS, as is usual in containers. */
import process from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { threadEnvironment } from "../../src/workers/thread-environment.ts";
import { standIn } from "../support/buffers.ts";
import { startProgram } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("it is loaded in the program's thread alone, and its spans arrive", async () => {
  const server = await standIn();
  const preloaded = new URL("../programs/preloaded-tracing.ts", import.meta.url).href;
  const { ended } = startProgram("nothing.ts", [], {
    env: {
      NODE_OPTIONS: `--no-warnings --import ${preloaded}`,
      TEST_BASE_URL: server.url,
      TEST_DIRECTORY: temporaryDirectory(),
    },
  });
  expect(await ended).toMatchObject({ code: 0, stdout: "loaded in thread 0\n", stderr: "" });
  expect(server.account().spans).toBe(1);
});

describe("of the host's NODE_OPTIONS our threads do not get what loads code", () => {
  test.each([
    ["--import ./a.mjs", ""],
    ["--import=./a.mjs --dns-result-order=ipv4first", "--dns-result-order=ipv4first"],
    ["--no-warnings --require ./a.cjs", "--no-warnings"],
    ['-r "./with space/a \\" b.cjs" --use-env-proxy', "--use-env-proxy"],
    ["--experimental-loader ./l.mjs --loader=./m.mjs", ""],
    ["--use-system-ca", "--use-system-ca"],
    [undefined, undefined],
  ])("%j", (options, left) => {
    const before = process.env["NODE_OPTIONS"];
    onTestFinished(() => set(before));
    set(options);
    expect(threadEnvironment()["NODE_OPTIONS"]).toBe(left);
  });
});

function set(options: string | undefined): void {
  if (options === undefined) delete process.env["NODE_OPTIONS"];
  else process.env["NODE_OPTIONS"] = options;
}
