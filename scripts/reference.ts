// Writes docs/reference: every exported name of every entry of the package, with its docstring. `--check` writes nothing
// and fails when what is there is not what would be written.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Node, SyntaxKind } from "typescript/unstable/ast";
import {
  API,
  type Checker,
  type Project,
  type Symbol as TypeScriptSymbol,
  SymbolFlags,
} from "typescript/unstable/sync";

interface Manifest {
  name: string;
  exports: Record<string, string | { "span-buffer-source"?: string }>;
}

interface Entry {
  /** As it is imported. */
  specifier: string;
  source: string;
  page: string;
}

/** The parts of a declaration that are read here; which of them there are depends on its kind. */
type Declaration = Node & { body?: Node; type?: Node; name?: Node; members?: readonly Node[] };

/** What a member is called that is nobody's business. */
const isPrivate = (name: string): boolean => name.includes("#") || name.startsWith("__#");

const folder = join("docs", "reference");
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const entries = Object.entries(manifest.exports).flatMap(([path, target]): Entry[] => {
  const source = typeof target === "string" ? undefined : target["span-buffer-source"];
  if (source === undefined) return [];
  const specifier = path.replace(/^\./, manifest.name);
  return [{ specifier, source: source.replace(/^\.\//, ""), page: `${specifier.replaceAll("/", "-")}.md` }];
});

class Reference {
  readonly #project: Project;
  readonly #checker: Checker;

  constructor(project: Project) {
    this.#project = project;
    this.#checker = project.checker;
  }

  /** Exported name → what it stands for, sorted. */
  exportsOf({ source }: Entry): Map<string, TypeScriptSymbol> {
    const file = this.#project.program.getSourceFile(source);
    const symbol = file === undefined ? undefined : this.#checker.getSymbolAtLocation(file);
    if (symbol === undefined) throw new Error(`${source} is no module of the project`);
    const named = this.#checker.getExportsOfModule(symbol).map((each): [string, TypeScriptSymbol] => {
      return [each.name, each.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(each) : each];
    });
    return new Map(named.toSorted(([one], [other]) => one.localeCompare(other, "en")));
  }

  page(entry: Entry): string {
    const sections = [...this.exportsOf(entry)].map(([name, symbol]) => this.#section(name, symbol));
    return [`# \`${entry.specifier}\``, notice, ...sections].join("\n\n");
  }

  /** The first sentence of a symbol's docstring. */
  summary(symbol: TypeScriptSymbol): string {
    const [first = ""] = this.#checker.getDocumentationCommentOfSymbol(symbol).split(/(?<=\.)\s/);
    return first.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
  }

  #section(name: string, symbol: TypeScriptSymbol): string {
    const declaration = this.#declarationOf(symbol);
    const parts = [`## ${name}`, ...this.#words(symbol), `\`\`\`ts\n${this.#head(declaration)}\n\`\`\``];
    const members = this.#membersOf(symbol, declaration).map((member) => this.#member(member, ""));
    if (members.length > 0) parts.push(members.join("\n"));
    return parts.join("\n\n");
  }

  /** A declaration without its members' list and its bodies. */
  #head(declaration: Declaration): string {
    const text = declaration.getText();
    if (declaration.members !== undefined) return text.slice(0, text.indexOf("{")).trim();
    return this.#withoutBody(declaration);
  }

  #withoutBody(declaration: Declaration): string {
    const { body } = declaration;
    const text = declaration.getText();
    return (body === undefined ? text : text.slice(0, text.length - body.getText().length)).trim().replace(/;$/, "");
  }

  /** Of a class or an interface its own; of another name for a shape all that the shape has. */
  #membersOf(symbol: TypeScriptSymbol, declaration: Declaration): TypeScriptSymbol[] {
    if (declaration.members !== undefined) {
      return [...symbol.getMembers().values()].filter(({ name }) => !isPrivate(name));
    }
    if (declaration.kind !== SyntaxKind.TypeAliasDeclaration) return [];
    if (declaration.type?.kind !== SyntaxKind.TypeReference) return [];
    const properties = this.#checker.getPropertiesOfType(this.#checker.getDeclaredTypeOfSymbol(symbol));
    return properties.filter((property) => this.#isOurs(property));
  }

  #isOurs({ declarations }: TypeScriptSymbol): boolean {
    const path = declarations[0]?.path;
    return path !== undefined && !path.includes("node_modules") && !path.startsWith("bundled:");
  }

  #member(symbol: TypeScriptSymbol, indent: string): string {
    const declaration = this.#declarationOf(symbol);
    const literal = declaration.type?.kind === SyntaxKind.TypeLiteral ? (declaration.type as Declaration) : undefined;
    const whole = this.#withoutBody(declaration);
    const shown = literal === undefined ? whole : whole.replace(literal.getText(), "{ … }");
    const words = this.#words(symbol)
      .join(" ")
      .replaceAll(/\s*\n\s*/g, " ");
    const line = `${indent}- \`${shown.replaceAll(/\s+/g, " ")}\`${words === "" ? "" : `: ${words}`}`;
    const inner = (literal?.members ?? []).map((member) => {
      const { name } = member as Declaration;
      const nested = name === undefined ? undefined : this.#checker.getSymbolAtLocation(name);
      return nested === undefined ? [] : [this.#member(nested, `${indent}  `)];
    });
    return [line, ...inner.flat()].join("\n");
  }

  #words(symbol: TypeScriptSymbol): string[] {
    const tags = this.#checker.getJsDocTagsOfSymbol(symbol).map(({ name, text }) => `*@${name}* ${textOfTag(text)}`);
    return [this.#checker.getDocumentationCommentOfSymbol(symbol), ...tags].map((each) => each.trim()).filter(Boolean);
  }

  #declarationOf(symbol: TypeScriptSymbol): Declaration {
    const declaration: Declaration | undefined = symbol.declarations[0]?.resolve(this.#project);
    if (declaration === undefined) throw new Error(`${symbol.name} is declared nowhere`);
    return declaration;
  }
}

const notice = "Made of the docstrings by `npm run reference`; do not change it here.";

function textOfTag(text: unknown): string {
  if (typeof text === "string") return text;
  return Array.isArray(text) ? text.map((part) => (part as { text: string }).text).join("") : "";
}

function index(reference: Reference): string {
  const lists = entries.map((entry) => {
    const rows = [...reference.exportsOf(entry)].map(
      ([name, symbol]) => `| [\`${name}\`](${entry.page}#${name.toLowerCase()}) | ${reference.summary(symbol)} |`,
    );
    return [`## [\`${entry.specifier}\`](${entry.page})`, ["| name | |", "|---|---|", ...rows].join("\n")].join("\n\n");
  });
  return ["# Reference", notice, ...lists].join("\n\n");
}

const api = new API({ cwd: process.cwd() });
const project = api.updateSnapshot({ openProject: "tsconfig.json" }).getProjects()[0];
if (project === undefined) throw new Error("tsconfig.json makes no project");
const reference = new Reference(project);
const pages = new Map([
  ["README.md", index(reference)],
  ...entries.map((each) => [each.page, reference.page(each)] as const),
]);
api.close();

if (process.argv.includes("--check")) {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  const stale = [...new Set([...there, ...pages.keys()])].filter((name) => {
    const file = join(folder, name);
    return !existsSync(file) || readFileSync(file, "utf8") !== `${pages.get(name)}\n`;
  });
  if (stale.length > 0) {
    console.error(`docs/reference is not what the docstrings say (npm run reference): ${stale.join(", ")}`);
    process.exitCode = 1;
  }
} else {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of pages) writeFileSync(join(folder, name), `${text}\n`);
}
