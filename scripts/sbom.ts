// Writes to stdout, as CycloneDX, what an installation of the package brings. Taken from an installation, since
// `npm sbom --omit=dev` leaves out what development needs too.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { install, withPacked } from "./packed.ts";

interface Component {
  "bom-ref": string;
  name: string;
  externalReferences?: { type: string; url: string }[];
}

interface Bom {
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string }[];
}

const { name } = JSON.parse(readFileSync("package.json", "utf8")) as { name: string };

withPacked((folder, packed) => {
  install(folder, packed);
  const command = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=library"];
  const bom = JSON.parse(execFileSync("npm", command, { cwd: folder, encoding: "utf8" })) as Bom;
  const user = bom.metadata.component["bom-ref"];
  const own = bom.components.find((each) => each.name === name);
  if (own === undefined) throw new Error(`npm sbom does not list ${name}`);
  // It is about the package, not about the empty project that it was installed in.
  const { externalReferences: _temporaryFile, ...component } = own;
  bom.metadata.component = component;
  bom.components = bom.components.filter((each) => each !== own);
  bom.dependencies = bom.dependencies.filter(({ ref }) => ref !== user);
  process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
});
