import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { optionTable } from "../../src/option-table.ts";
import { standIn } from "../support/buffers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const root = new URL("../../", import.meta.url);
const examples = readdirSync(new URL("examples/", root));

test.each(examples)("the example %s runs and delivers", async (name) => {
  const server = await standIn();
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--conditions=span-buffer-source", fileURLToPath(new URL(`examples/${name}`, root))],
    {
      env: {
        ...process.env,
        LANGFUSE_BASE_URL: server.url,
        LANGFUSE_PUBLIC_KEY: "pk-lf-stand-in",
        LANGFUSE_SECRET_KEY: "sk-lf-stand-in",
        SPAN_BUFFER_DIRECTORY: temporaryDirectory(),
      },
    },
  );
  expect(stderr).toBe("");
  expect(stdout).toContain("0 in the journal");
  expect(server.account().spans).toBeGreaterThan(0);
});

test("docs/options.md names every option, and every environment variable", () => {
  const document = readFileSync(new URL("docs/options.md", root), "utf8");
  for (const [name, { env = [] }] of Object.entries(optionTable)) {
    expect(document).toContain(`\`${name}\``);
    for (const variable of env) expect(document).toContain(`\`${variable}\``);
  }
});

test("docs/dependencies.md gives a reason for every dependency", () => {
  const document = readFileSync(new URL("docs/dependencies.md", root), "utf8");
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) expect(document).toContain(`\`${name}\``);
});
