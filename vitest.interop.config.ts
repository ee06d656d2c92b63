import process from "node:process";
import { defineConfig } from "vitest/config";

/** The real clients. One file at a time: each starts a dozen processes. */
const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ["test/interop/**/*.test.ts"],
    globalSetup: ["test/interop/python-environments.ts"],
    maxWorkers: 1,
    pool: "forks",
    execArgv: process.arch === "x64" ? ["--no-memory-protection-keys"] : [],
    // The longest waits are the outage, and the backoff of a buffer that has been without its server for that long.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
export default config;
