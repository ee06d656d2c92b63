// Packs the package, has its manifest and types judged (publint, attw), installs it in an empty folder, and holds what
// docs/dependencies.md says of its size, and that nothing of it runs a script when it is installed.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { install, withPacked } from "./packed.ts";

interface Figures {
  tarballBytes: number;
  unpackedBytes: number;
  /** Beside itself, all levels. */
  packages: number;
}

/** What the package may grow to; more is a decision, to be made here. */
const bounds: Figures = { tarballBytes: 600_000, unpackedBytes: 2_500_000, packages: 80 };

/** How far the document may be from what is. */
const tolerance = 0.1;

withPacked((folder, packed) => {
  const tarball = join(folder, packed.filename);
  run("publint", ["run", tarball, "--strict"]);
  // A CommonJS module gets the ES module by require(), which TypeScript understands from 5.8 and attw does not. Resolution
  // as Node 10 had it knows no subpaths.
  run("attw", [
    tarball,
    "--profile",
    "node16",
    "--ignore-rules",
    "cjs-resolves-to-esm",
    "--no-emoji",
    "--format",
    "ascii",
  ]);
  install(folder, packed);
  const figures = { tarballBytes: packed.size, unpackedBytes: packed.unpackedSize, packages: packagesIn(folder) };
  const problems = [...beyondBounds(figures), ...notAsDocumented(figures)];
  for (const problem of problems) console.error(problem);
  console.log(`package: ${JSON.stringify(figures)}, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
});

function run(command: string, args: string[]): void {
  execFileSync(join("node_modules", ".bin", command), args, { stdio: "inherit" });
}

/** @returns how many packages came along. @throws Error when one of them runs a script at its installation. */
function packagesIn(folder: string): number {
  const lock = JSON.parse(readFileSync(join(folder, "node_modules", ".package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const withScript = Object.keys(lock.packages).filter((name) => lock.packages[name]?.hasInstallScript === true);
  if (withScript.length > 0) throw new Error(`run a script when they are installed: ${withScript.join(", ")}`);
  return Object.keys(lock.packages).length - 1;
}

function beyondBounds(figures: Figures): string[] {
  return (Object.keys(bounds) as (keyof Figures)[])
    .filter((name) => figures[name] > bounds[name])
    .map((name) => `${name} is ${figures[name]}, and may be ${bounds[name]} (scripts/check-package.ts)`);
}

/** The document's table has a row for each figure: `| … | <number> | <name> |`. */
function notAsDocumented(figures: Figures): string[] {
  const document = readFileSync("docs/dependencies.md", "utf8");
  return (Object.keys(figures) as (keyof Figures)[]).flatMap((name) => {
    const row = document.match(new RegExp(`\\| *([\\d,]+) *\\| *\`${name}\``));
    const stated = Number(row?.[1]?.replaceAll(",", ""));
    const isNear = Math.abs(stated - figures[name]) <= figures[name] * tolerance;
    return isNear ? [] : [`docs/dependencies.md says ${row?.[1] ?? "nothing"} of ${name}: it is ${figures[name]}`];
  });
}
