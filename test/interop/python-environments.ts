/** Vitest's global set-up: a virtual environment for each list of requirements, made once and kept between runs. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const run = promisify(execFile);

/** Name of an environment → its list. */
const requirements = { current: "requirements.txt", "langfuse-2": "requirements-langfuse-2.txt" } as const;

export type PythonEnvironment = keyof typeof requirements;

declare module "vitest" {
  interface ProvidedContext {
    /** Environment → its interpreter. */
    python: Record<PythonEnvironment, string>;
  }
}

const candidates = ["python3", "python3.13", "python3.12", "python3.11", "python"];
/** Pipecat and Langfuse ask for 3.11; without `ensurepip` a virtual environment has no pip. */
const question = "import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.version)";

export async function setup(project: TestProject): Promise<void> {
  const python = await findPython();
  const names = Object.keys(requirements) as PythonEnvironment[];
  const entries: [PythonEnvironment, string][] = [];
  // One after the other: two installations at once only wait for each other's disk.
  for (const name of names) entries.push([name, await environment(name, python)]);
  project.provide("python", Object.fromEntries(entries) as Record<PythonEnvironment, string>);
}

interface Python {
  command: string;
  version: string;
}

async function findPython(): Promise<Python> {
  const named = process.env["PYTHON"];
  for (const command of named === undefined ? candidates : [named]) {
    try {
      return { command, version: (await run(command, ["-c", question])).stdout };
    } catch {
      // Not there, or not fit; the next may be.
    }
  }
  return fail(
    `test:interop needs Python 3.11 or later with venv and pip (tried: ${named ?? candidates.join(", ")}; PYTHON names another).`,
  );
}

/** @returns its interpreter. */
async function environment(name: PythonEnvironment, { command, version }: Python): Promise<string> {
  const file = fileURLToPath(new URL(requirements[name], import.meta.url));
  const key = createHash("sha256").update(version).update(readFileSync(file)).digest("hex").slice(0, 16);
  const cache = fileURLToPath(new URL("../../node_modules/.cache/span-buffer-interop/", import.meta.url));
  const folder = join(cache, `${name}-${key}`);
  const interpreter = join(folder, "bin", "python");
  const complete = join(folder, "complete");
  if (existsSync(complete)) return interpreter;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  process.stdout.write(`installing the Python clients (${name}) …\n`);
  const options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--no-compile"];
  try {
    await run(command, ["-m", "venv", folder]);
    await run(interpreter, ["-m", "pip", "install", ...options, "-r", file]);
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    return fail(`test:interop could not install the Python clients of ${requirements[name]}: ${stderr || message}`);
  }
  writeFileSync(complete, "");
  return interpreter;
}

/** Without a stack: it would hide the one line that counts. */
function fail(message: string): never {
  const error = new Error(message);
  error.stack = message;
  throw error;
}
