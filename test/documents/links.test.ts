/** Every link within the repository leads somewhere, to the heading that it names too. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = readdirSync(root, { encoding: "utf8" })
  .concat(...["docs", "deploy"].map((folder) => inFolder(folder)))
  .filter((path) => path.endsWith(".md"));

function inFolder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
}

test.each(pages)("%s", (page) => {
  const text = withoutCode(readFileSync(join(root, page), "utf8"));
  const links = Array.from(text.matchAll(/\]\((?!\w+:)([^)\s]+)\)/g), ([, link = ""]) => link);
  expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
});

function leadsSomewhere(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const file = path === "" ? join(root, page) : resolve(root, dirname(page), path);
  if (relative(root, file).startsWith("..") || !existsSync(file)) return false;
  return anchor === undefined || (statSync(file).isFile() && anchorsOf(file).has(anchor));
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): Set<string> {
  const headings = withoutCode(readFileSync(file, "utf8")).matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading = ""]) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "");
}

test("docs/README.md leads to every page", () => {
  const index = readFileSync(join(root, "docs", "README.md"), "utf8");
  const names = readdirSync(join(root, "docs"), { encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  expect(names.filter((name) => name !== "README.md" && !index.includes(`(${name}`))).toEqual([]);
});
