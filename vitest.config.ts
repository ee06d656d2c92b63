import process from "node:process";
import { defineConfig } from "vitest/config";

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // By themselves: npm run test:guard, npm run test:interop, npm run test:package.
    exclude: ["test/guard/**", "test/interop/**", "test/package/**"],
    // Tests start processes and threads of their own; on a small machine more than two files at once only measures the scheduler.
    maxWorkers: 2,
    pool: "forks",
    // With memory protection keys (x64 alone has them) V8 24 may abort the process when threads come and go: it looks code
    // pages up in a table that they share ("Check failed: jit_page.has_value()"; docs/operations.md).
    // A wrapper around WebAssembly that is compiled anew while the thread that loaded the code ends is another fault of V8
    // 24 (a segmentation fault in `TierUpWasmToJSWrapper`): so none is.
    execArgv: [
      "--wasm-wrapper-tiering-budget=2000000000",
      ...(process.arch === "x64" ? ["--no-memory-protection-keys"] : []),
    ],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
export default config;
