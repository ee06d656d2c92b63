import process from "node:process";

/** What makes Node load code before a thread's own, with its value. */
const loaders = /(?<=^|\s)(?:--import|--require|-r|--loader|--experimental-loader)(?:=|\s+)(?:"(?:\\.|[^"\\])*"|\S+)/g;

/**
 * The environment of every thread of ours: the host's, but for what its `NODE_OPTIONS` would load. That is instrumentation
 * as a rule, which would trace our own requests; and one that makes a buffer would make it here as well, with threads of
 * its own that make buffers, without end. A thread's `execArgv` do not keep `NODE_OPTIONS` away.
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: options } = process.env;
  return options === undefined
    ? { ...process.env }
    : { ...process.env, NODE_OPTIONS: options.replaceAll(loaders, "").trim() };
}
