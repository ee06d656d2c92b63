/**
 * Packs the package and installs the tarball in an empty folder, with what examples and documents use beside it, in the
 * versions of this repository. Every test of this folder runs from there.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** The folder with the installed package. */
    site: string;
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What a reader of the pages and examples has installed too. */
const companions = /^(@opentelemetry\/.*|@langfuse\/.*|@ai-sdk\/otel|@types\/node|ai|esbuild|fastify|typescript)$/;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const site = mkdtempSync(join(tmpdir(), "span-buffer-site-"));
  const remove = (): Promise<void> => rm(site, { recursive: true, force: true });
  try {
    const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", site], { cwd: root, encoding: "utf8" });
    const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("["))) as [{ filename: string }];
    const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      devDependencies: Record<string, string>;
    };
    const beside = Object.entries(devDependencies).filter(([name]) => companions.test(name));
    const manifest = { name: "site", private: true, type: "module", dependencies: Object.fromEntries(beside) };
    writeFileSync(join(site, "package.json"), JSON.stringify(manifest));
    const flags = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", ["install", ...flags, join(site, filename)], {
      cwd: site,
      stdio: ["ignore", "ignore", "inherit"],
    });
    project.provide("site", site);
  } catch (error) {
    await remove();
    throw error;
  }
  return remove;
}
