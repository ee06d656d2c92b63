import { defineConfig } from "vitest/config";

/** Nothing else runs beside what is timed. */
const config: ReturnType<typeof defineConfig> = defineConfig({
  test: { include: ["test/guard/**/*.test.ts"], maxWorkers: 1, pool: "forks", testTimeout: 60_000 },
});
export default config;
