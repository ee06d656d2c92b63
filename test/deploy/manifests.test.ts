import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compose } from "./compose.ts";
import { deployFile, instructionsOf } from "./deploy-files.ts";
import { kubernetes } from "./kubernetes.ts";

const image = (keyword: string): string =>
  instructionsOf(deployFile("Dockerfile")).findLast((instruction) => instruction.keyword === keyword)?.text ?? "";
const journals = image("VOLUME");
const user = Number(image("USER").split(":")[0]);

const shutdownSeconds = (args: readonly string[] = []): number =>
  Number(args[args.indexOf("--shutdown-timeout-ms") + 1]) / 1_000;

const ask = (path: string): string[] => ["node", "/opt/span-buffer/probe.mjs", path];

test("Kubernetes: the pod is whole", () => {
  const { spec } = kubernetes();
  expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
  const { volumes, initContainers, containers, securityContext } = spec.template.spec;
  const [sidecar] = initContainers;
  const mounts = [...initContainers, ...containers].flatMap(({ volumeMounts = [] }) => volumeMounts);
  expect(mounts).toEqual([{ name: "journal", mountPath: journals }]);
  expect(volumes.map(({ name }) => name)).toEqual(["journal"]);
  expect(securityContext.fsGroup).toBe(user);
  expect(sidecar.securityContext).toMatchObject({ runAsUser: user, readOnlyRootFilesystem: true });
});

test("Kubernetes: the sidecar starts before the bot and ends after it", () => {
  const { initContainers, containers, terminationGracePeriodSeconds } = kubernetes().spec.template.spec;
  const [sidecar] = initContainers;
  const [bot] = containers;
  expect(sidecar.restartPolicy).toBe("Always");
  expect(bot).not.toHaveProperty("restartPolicy");
  expect(terminationGracePeriodSeconds).toBeGreaterThan(shutdownSeconds(sidecar.args) + 10);
});

test("Kubernetes: probes for start, life and readiness, with the probe of the image", () => {
  const [sidecar] = kubernetes().spec.template.spec.initContainers;
  const asked = [sidecar.startupProbe, sidecar.livenessProbe, sidecar.readinessProbe].map(
    (probe) => probe?.exec.command,
  );
  expect(asked).toEqual([ask("/livez"), ask("/livez"), ask("/readyz")]);
  // Longer than the probe's own patience.
  expect(sidecar.livenessProbe?.timeoutSeconds).toBeGreaterThan(4);
});

test("Kubernetes: keys come from a Secret, and only to the sidecar", () => {
  const { initContainers, containers } = kubernetes().spec.template.spec;
  const keys = initContainers[0].env.filter(({ name }) => name.endsWith("_KEY"));
  expect(keys.map(({ name }) => name)).toEqual(["LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"]);
  for (const key of keys) expect(key).toHaveProperty("valueFrom.secretKeyRef.name", "langfuse-keys");
  expect(containers[0].env.map(({ name }) => name)).toEqual(["OTEL_EXPORTER_OTLP_ENDPOINT"]);
});

test("Kubernetes: the bot's address is the sidecar's, which only the pod reaches; its volume holds its journals", () => {
  const { initContainers, containers, volumes } = kubernetes().spec.template.spec;
  const { args = [] } = initContainers[0];
  const host = args[args.indexOf("--host") + 1];
  expect(host).toBe("127.0.0.1");
  expect(containers[0].env[0]).toHaveProperty("value", `http://${host}:${image("EXPOSE")}`);
  const gib = Number.parseInt(volumes[0]?.emptyDir.sizeLimit ?? "", 10);
  expect(gib * 2 ** 30).toBeGreaterThanOrEqual(3 * Number(args[args.indexOf("--max-disk-bytes") + 1]));
});

test("Kubernetes: the image's version is the package's", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(kubernetes().spec.template.spec.initContainers[0].image).toBe(`langfuse-span-buffer:${version}`);
});

test("Compose: joins Langfuse's own file, keeps its journals, and has time to stop", () => {
  const { services, volumes } = compose();
  const service = services["span-buffer"];
  expect(service.environment["LANGFUSE_BASE_URL"]).toBe("http://langfuse-web:3000");
  expect(service.volumes).toEqual(Object.keys(volumes).map((name) => `${name}:${journals}`));
  expect(service.ports).toEqual([`127.0.0.1:${image("EXPOSE")}:${image("EXPOSE")}`]);
  expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(shutdownSeconds(service.command) + 5);
  // Without them it would not start; better to be told by Compose.
  for (const name of ["LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"]) {
    expect(service.environment[name]).toMatch(new RegExp(`^\\$\\{${name}:\\?.+\\}$`));
  }
});
