/** Programs run from the folder with the installed package, against a stand-in. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { inject, onTestFinished } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A folder of the running test's own, in which the installed package and its companions are found. */
export function projectFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryDirectory();
  symlinkSync(join(inject("site"), "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** Nothing of the repository's own environment, nor of whoever started the tests. */
export function userEnvironment(langfuseUrl: string, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { HOME, TMPDIR, PATH = "" } = process.env;
  return {
    HOME,
    TMPDIR,
    PATH: [dirname(process.execPath), join(inject("site"), "node_modules", ".bin"), PATH].join(delimiter),
    LANGFUSE_BASE_URL: langfuseUrl,
    LANGFUSE_PUBLIC_KEY: "pk-lf-stand-in",
    LANGFUSE_SECRET_KEY: "sk-lf-stand-in",
    LANGFUSE_FLUSH_INTERVAL: "0.2",
    SPAN_BUFFER_DIRECTORY: temporaryDirectory(),
    SPAN_BUFFER_PORT: "0",
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
    ...env,
  };
}

export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** Resolves with the first match in stdout. @throws Error when the program ends without it. */
  says(pattern: RegExp): Promise<RegExpMatchArray>;
  /** SIGTERM to the program and all that it started; resolves with its end. */
  stop(): Promise<Finished>;
}

/** In a process group of its own, which ends with the test at the latest. */
export function start(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Running {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
    });
  }
  const finished = once(child, "close").then(([code]) => ({ code: code as number | null, ...output }));
  onTestFinished(() => signalGroup(child, "SIGKILL"));
  return {
    child,
    finished,
    async says(pattern) {
      for (;;) {
        const match = output.stdout.match(pattern);
        if (match !== null) return match;
        const ended = await Promise.race([finished, once(child.stdout, "data").then(() => undefined)]);
        if (ended !== undefined && !pattern.test(output.stdout)) {
          throw new Error(`ended with ${ended.code} before it said ${pattern}: ${ended.stdout}${ended.stderr}`);
        }
      }
    },
    async stop() {
      signalGroup(child, "SIGTERM");
      return await finished;
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended.
  }
}
