// Runs the boundary check, and fails too when it has seen less than there is: a cruiser without a parser finds no
// violations because it finds no imports.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";

interface Cruise {
  modules: { source: string; dependencies: unknown[] }[];
  summary: { violations: { rule: { name: string }; from: string; to: string }[] };
}

const args = ["node_modules/dependency-cruiser/bin/dependency-cruiser.mjs", "--config", ".dependency-cruiser.cjs"];
let output: string;
try {
  output = execFileSync(process.execPath, [...args, "--output-type", "json", "src"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "ignore"],
  });
} catch (error) {
  output = (error as { stdout: string }).stdout;
}
const { modules, summary } = JSON.parse(output) as Cruise;
const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const seen = modules.filter(({ source }) => source.startsWith("src/"));
const imports = seen.reduce((sum, { dependencies }) => sum + dependencies.length, 0);
console.log(
  `boundaries: ${seen.length} of ${files.length} files, ${imports} imports, ${summary.violations.length} violations`,
);
for (const { rule, from, to } of summary.violations) console.log(`  ${rule.name}: ${from} → ${to}`);
if (seen.length !== files.length || imports < files.length || summary.violations.length > 0) process.exitCode = 1;
