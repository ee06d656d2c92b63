// The folders are the stages of a span's way; each imports only from those before it. A third-party package is
// imported in the one folder (or file) that exists for its job.
const stages = ["mask", "buffer", "workers", "otlp", "export", "tracing", "otel", "server", "stand-in", "cli"];

const order = stages.map((stage, index) => ({
  name: `${stage}-looks-back-only`,
  comment: `src/${stage} may import only from itself and from the stages before it`,
  severity: "error",
  from: { path: `^src/${stage}/` },
  to: { path: `^src/(${stages.slice(index + 1).join("|") || "(?!)"})/` },
}));

/** Which folder or file of ours may import a package. */
const homes = {
  "better-sqlite3": "^src/buffer/sqlite\\.ts$",
  piscina: "^src/workers/",
  "langfuse|@langfuse/client|p-retry": "^src/export/",
  "lru-cache": "^src/(export|server)/",
  undici: "^src/export/connections\\.ts$",
  "hono|@hono/node-server": "^src/(server|stand-in)/",
  pbf: "^src/otlp/",
  "pino|prom-client": "^src/server/",
  "@opentelemetry/[^/]+": "^src/otel/",
  "commander|cli-progress|picocolors": "^src/cli/",
  "valibot|leven": "^src/(option|server/.*options)",
};

const packages = Object.entries(homes).map(([names, home]) => ({
  name: `home-of-${names.replaceAll("|", "-and-").replaceAll("/", "-")}`,
  comment: `${names} belongs to ${home}`,
  severity: "error",
  from: { path: "^src/", pathNot: home },
  to: { path: `node_modules/(${names})/` },
}));

module.exports = {
  forbidden: [
    ...order,
    ...packages,
    {
      name: "parts-do-not-know-the-whole",
      comment: "The stages before the command line do not import the files that put them together",
      severity: "error",
      from: { path: "^src/(mask|buffer|workers|export|tracing|stand-in)/" },
      to: { path: "^src/[^/]+\\.ts$" },
    },
    {
      name: "otel-is-an-entry-of-its-own",
      comment: "Who does not import it needs none of OpenTelemetry's packages",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/otel/" },
      to: { path: "^src/otel/" },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-development-packages",
      severity: "error",
      from: { path: "^src/" },
      // What is a peer too, for the entry that needs it, is there for development only here.
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm-peer"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    parser: "swc",
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
