/**
 * The file of `--projects`: JSON, an array of `{ name, publicKey, secretKey, baseUrl? }`, or an object of them by name.
 * Errors name the file, the entry and the field, and never show a value: it might be a key in the wrong place.
 */
import { optionTable } from "../option-table.ts";
import { isAllowed } from "./options.ts";
import { readPrivateFile } from "./private-file.ts";

export interface ProjectEntry {
  name: string;
  publicKey: string;
  secretKey: string;
  /** Without a trailing slash. */
  baseUrl: string;
}

const fields = ["name", "publicKey", "secretKey", "baseUrl"] as const;
const requiredKeys = ["publicKey", "secretKey"] as const;
const namePattern = /^[\w.-]{1,64}$/;

/**
 * @param defaultBaseUrl for entries without one.
 * @throws Error that names everything that is wrong with the file.
 */
export function readProjectsFile(
  path: string,
  defaultBaseUrl: string,
): { projects: ProjectEntry[]; warning: string | undefined } {
  const { text, warning } = readPrivateFile(path, "the projects file");
  const entries = entriesOf(path, text);
  const problems: string[] = [];
  if (entries.length === 0) problems.push("it names no project");
  const projects = entries.flatMap(({ at, value }) => {
    const wrong = problemsOf(value).map((problem) => `${at}: ${problem}`);
    problems.push(...wrong);
    return wrong.length > 0 ? [] : [projectFrom(value as Record<string, string>, defaultBaseUrl)];
  });
  problems.push(...repetitions(projects));
  if (problems.length > 0) throw new Error(`the projects file ${path}: ${problems.join("; ")}`);
  return { projects, warning };
}

function entriesOf(path: string, text: string): { at: string; value: unknown }[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's own message shows what stands there.
    throw new Error(`the projects file ${path} is not JSON`);
  }
  if (Array.isArray(parsed)) return parsed.map((value: unknown, index) => ({ at: `entry ${index + 1}`, value }));
  if (typeof parsed !== "object" || parsed === null) {
    throw new Error(`the projects file ${path} is neither an array of projects nor an object of them by name`);
  }
  return Object.entries(parsed).map(([name, value]: [string, unknown]) => ({
    at: `entry${shown(name) || " with an odd name"}`,
    value: typeof value === "object" && value !== null ? { name, ...value } : value,
  }));
}

function problemsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return ["it is not an object"];
  const entry = value as Record<string, unknown>;
  const problems: string[] = [];
  const unknown = Object.keys(entry).filter((name) => !(fields as readonly string[]).includes(name));
  for (const name of unknown) problems.push(`unknown field${shown(name)}`);
  if (typeof entry["name"] !== "string" || !namePattern.test(entry["name"])) {
    problems.push("name must be up to 64 of A-Z a-z 0-9 _ . -");
  }
  for (const field of requiredKeys) {
    if (entry[field] === undefined) problems.push(`${field} is missing`);
    else if (!isAllowed(field, entry[field])) problems.push(`${field} must be ${optionTable[field].allowed}`);
  }
  const { baseUrl } = entry;
  if (baseUrl !== undefined && !isAllowed("baseUrl", baseUrl)) {
    problems.push(`baseUrl must be ${optionTable.baseUrl.allowed}`);
  }
  return problems;
}

/** Not what may be a secret key in the place of a name. */
function shown(name: string): string {
  return namePattern.test(name) && !/^sk-/i.test(name) ? ` "${name}"` : "";
}

function projectFrom(entry: Record<string, string>, defaultBaseUrl: string): ProjectEntry {
  const { name = "", publicKey = "", secretKey = "", baseUrl = defaultBaseUrl } = entry;
  return { name, publicKey, secretKey, baseUrl: baseUrl.replace(/\/+$/, "") };
}

/** Names are for logs and metrics, a public key chooses the project: each may be there once. */
function repetitions(projects: readonly ProjectEntry[]): string[] {
  const problems: string[] = [];
  for (const [index, project] of projects.entries()) {
    const earlier = projects.slice(0, index);
    if (earlier.some(({ name }) => name === project.name)) problems.push(`the name "${project.name}" is there twice`);
    const same = earlier.find(({ publicKey }) => publicKey === project.publicKey);
    if (same !== undefined) problems.push(`"${same.name}" and "${project.name}" have the same publicKey`);
  }
  return problems;
}
