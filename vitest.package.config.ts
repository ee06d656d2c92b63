import process from "node:process";
import { defineConfig } from "vitest/config";

/** The packed tarball in an empty folder, and every example and documented block run from there. */
const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ["test/package/**/*.test.ts"],
    globalSetup: ["test/package/install.ts"],
    maxWorkers: 2,
    pool: "forks",
    execArgv: process.arch === "x64" ? ["--no-memory-protection-keys"] : [],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
export default config;
