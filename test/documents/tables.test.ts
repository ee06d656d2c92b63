import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionTable } from "../../src/option-table.ts";

const root = new URL("../../", import.meta.url);

test("docs/options.md names every option, and every environment variable", () => {
  const document = readFileSync(new URL("docs/options.md", root), "utf8");
  for (const [name, { env = [] }] of Object.entries(optionTable)) {
    expect(document).toContain(`\`${name}\``);
    for (const variable of env) expect(document).toContain(`\`${variable}\``);
  }
});

test("docs/dependencies.md gives a reason for every dependency", () => {
  const document = readFileSync(new URL("docs/dependencies.md", root), "utf8");
  const { dependencies, devDependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) expect(document).toContain(`\`${name}\``);
  const own = Object.keys(devDependencies).filter((name) => !/^@(types|opentelemetry)\//.test(name));
  for (const name of own) expect(document).toContain(`\`${name}\``);
});
