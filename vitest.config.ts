import { defineConfig } from "vitest/config";

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // By themselves: npm run test:guard.
    exclude: ["test/guard/**"],
    // Tests start processes and threads of their own; on a small machine more than two files at once only measures the scheduler.
    maxWorkers: 2,
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
export default config;
