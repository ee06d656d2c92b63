// Packs the package, installs the tarball in an empty folder, and uses it from there: the types' file, the import, a
// span that reaches the journal, the command, and the one line that a Node that is too old gets.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

const folder = mkdtempSync(join(tmpdir(), "span-buffer-package-"));
try {
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { encoding: "utf8" });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error(`npm pack made no tarball: ${packed}`);
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }');
  execFileSync("npm", ["install", "--no-audit", "--no-fund", join(folder, tarball)], { cwd: folder, stdio: "inherit" });
  const program = `
    import { SpanBuffer } from "langfuse-span-buffer";
    const buffer = new SpanBuffer({ baseUrl: "http://127.0.0.1:9", directory: "./journal", logger: { warn() {} } });
    buffer.startSpan("packed").end();
    const { pending } = await buffer.shutdown();
    if (pending !== 1) throw new Error("pending " + pending);
    console.log("imported from the tarball: a span is in the journal");
  `;
  writeFileSync(join(folder, "program.js"), program);
  execFileSync(process.execPath, ["program.js"], { cwd: folder, stdio: "inherit" });
  if (!existsSync(join(folder, "journal", "journal-1.sqlite"))) throw new Error("no journal was written");
  const installed = join(folder, "node_modules", "langfuse-span-buffer");
  if (!existsSync(join(installed, "dist", "index.d.ts"))) throw new Error("the package has no types");
  const help = execFileSync(process.execPath, [join(installed, "dist/cli/main.js"), "--help"], { encoding: "utf8" });
  if (!help.includes("stand-in")) throw new Error(`unexpected help: ${help}`);
  checkOldNode(join(installed, "dist", "cli", "main.js"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A Node that claims to be 20 must be told in one line, before anything native is loaded. */
function checkOldNode(main: string): void {
  const pretend = `Object.defineProperty(process.versions, "node", { value: "20.20.2" }); await import(${JSON.stringify(resolve(main))});`;
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", pretend], {
    encoding: "utf8",
  });
  const lines = stderr.trim().split("\n");
  if (status !== 1 || lines.length !== 1 || !lines[0]?.includes("needs Node 22")) {
    throw new Error(`on an old Node: exit code ${status}, ${stderr}`);
  }
  console.log(`on an old Node: ${lines[0]}`);
}
