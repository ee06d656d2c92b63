// The package as its users get it: packed, and installed in an empty folder.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Packed {
  filename: string;
  /** Bytes of the tarball. */
  size: number;
  unpackedSize: number;
}

/** Calls it with a temporary folder, in which there is only the tarball. */
export function withPacked(use: (folder: string, packed: Packed) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "span-buffer-package-"));
  try {
    const output = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { encoding: "utf8" });
    // prepack's own lines come before.
    const answer = JSON.parse(output.slice(output.search(/^[[{]/m))) as Packed[] | Record<string, Packed>;
    const [packed] = Object.values(answer);
    if (packed === undefined) throw new Error(`npm pack made nothing: ${output}`);
    use(folder, packed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** With what it depends on, and nothing else. */
export function install(folder: string, { filename }: Packed): void {
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "version": "1.0.0", "private": true }');
  execFileSync("npm", ["install", "--no-audit", "--no-fund", join(folder, filename)], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
