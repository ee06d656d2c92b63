/** The files of deploy/ for their tests. */
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";

const folder = new URL("../../deploy/", import.meta.url);

export function deployFile(name: string): string {
  return readFileSync(new URL(name, folder), "utf8");
}

/** Parsed by YAML 1.2's own rules, without a warning; no key twice. */
export function deployYaml(name: string): unknown {
  const document = parseDocument(deployFile(name), { strict: true, uniqueKeys: true, version: "1.2" });
  const problems = [...document.errors, ...document.warnings].map(({ message }) => message);
  if (problems.length > 0) throw new Error(`${name}: ${problems.join("; ")}`);
  return document.toJS();
}

export interface Instruction {
  keyword: string;
  /** What follows, lines joined. */
  text: string;
}

/** Comments left out. */
export function instructionsOf(dockerfile: string): Instruction[] {
  const lines = dockerfile.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  const joined = lines.join("\n").replaceAll(/\\\n\s*/g, " ");
  return joined
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => ({ keyword: line.split(" ", 1)[0] ?? "", text: line.slice(line.indexOf(" ") + 1).trim() }));
}

/** Of a systemd unit: section → key → values in order. Comments left out. */
export function unitSections(unit: string): Map<string, Map<string, string[]>> {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const [index, line] of unit.split("\n").entries()) {
    const header = /^\[(\w+)\]$/.exec(line);
    const entry = /^(\w+)=(.*)$/.exec(line);
    if (header !== null) sections.set(header[1] as string, (section = new Map()));
    else if (entry !== null && section !== undefined) {
      const [, key = "", value = ""] = entry;
      section.set(key, [...(section.get(key) ?? []), value]);
    } else if (line !== "" && !line.startsWith("#")) throw new Error(`line ${index + 1} is no line of a unit: ${line}`);
  }
  return sections;
}

/** The environment that the unit gives the sidecar, but for its folder, which systemd knows. */
export function unitEnvironment(): Record<string, string> {
  const settings = unitSections(deployFile("span-buffer.service")).get("Service")?.get("Environment") ?? [];
  const entries = settings.map((setting) => setting.split(/=(.*)/s).slice(0, 2) as [string, string]);
  return Object.fromEntries(entries.filter(([name]) => name !== "SPAN_BUFFER_DIRECTORY"));
}
