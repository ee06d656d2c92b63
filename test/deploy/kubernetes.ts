/** The fields of Kubernetes' API (apps/v1 Deployment, core/v1 PodTemplateSpec) that the example uses, and no others. */
import * as v from "valibot";
import { deployYaml } from "./deploy-files.ts";

interface Probe {
  exec: { command: string[] };
  periodSeconds: number;
  timeoutSeconds: number;
  failureThreshold: number;
}

interface Container {
  name: string;
  image: string;
  restartPolicy?: "Always" | undefined;
  args?: string[] | undefined;
  env: (
    | { name: string; value: string }
    | { name: string; valueFrom: { secretKeyRef: { name: string; key: string } } }
  )[];
  startupProbe?: Probe | undefined;
  livenessProbe?: Probe | undefined;
  readinessProbe?: Probe | undefined;
  resources?: { requests: { cpu: string; memory: string }; limits: { memory: string } } | undefined;
  securityContext: {
    runAsUser: number;
    runAsGroup?: number | undefined;
    allowPrivilegeEscalation: false;
    readOnlyRootFilesystem?: boolean | undefined;
    capabilities: { drop: ["ALL"] };
  };
  volumeMounts?: { name: string; mountPath: string }[] | undefined;
}

interface PodSpec {
  terminationGracePeriodSeconds: number;
  securityContext: { runAsNonRoot: true; seccompProfile: { type: "RuntimeDefault" }; fsGroup: number };
  initContainers: [Container];
  containers: [Container];
  volumes: { name: string; emptyDir: { sizeLimit: string } }[];
}

export interface Deployment {
  apiVersion: "apps/v1";
  kind: "Deployment";
  metadata: { name: string; labels: Record<string, string> };
  spec: {
    replicas: number;
    selector: { matchLabels: Record<string, string> };
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
  };
}

const text = v.pipe(v.string(), v.nonEmpty());
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const userId = v.pipe(v.number(), v.integer(), v.minValue(1));

const environmentVariable = v.union([
  v.strictObject({ name: text, value: v.string() }),
  v.strictObject({
    name: text,
    valueFrom: v.strictObject({ secretKeyRef: v.strictObject({ name: text, key: text }) }),
  }),
]);

const probe: v.GenericSchema<Probe> = v.strictObject({
  exec: v.strictObject({ command: v.pipe(v.array(text), v.nonEmpty()) }),
  periodSeconds: count,
  timeoutSeconds: count,
  failureThreshold: count,
});

const quantity = v.pipe(v.string(), v.regex(/^\d+(m|Mi|Gi)?$/));

const container: v.GenericSchema<Container> = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,63}$/)),
  image: text,
  restartPolicy: v.optional(v.literal("Always")),
  args: v.optional(v.array(v.string())),
  env: v.array(environmentVariable),
  startupProbe: v.optional(probe),
  livenessProbe: v.optional(probe),
  readinessProbe: v.optional(probe),
  resources: v.optional(
    v.strictObject({
      requests: v.strictObject({ cpu: quantity, memory: quantity }),
      limits: v.strictObject({ memory: quantity }),
    }),
  ),
  securityContext: v.strictObject({
    runAsUser: userId,
    runAsGroup: v.optional(userId),
    allowPrivilegeEscalation: v.literal(false),
    readOnlyRootFilesystem: v.optional(v.boolean()),
    capabilities: v.strictObject({ drop: v.tuple([v.literal("ALL")]) }),
  }),
  volumeMounts: v.optional(v.array(v.strictObject({ name: text, mountPath: v.pipe(text, v.startsWith("/")) }))),
});

const labels = v.record(v.string(), text);

const deployment: v.GenericSchema<Deployment> = v.strictObject({
  apiVersion: v.literal("apps/v1"),
  kind: v.literal("Deployment"),
  metadata: v.strictObject({ name: text, labels }),
  spec: v.strictObject({
    replicas: count,
    selector: v.strictObject({ matchLabels: labels }),
    template: v.strictObject({
      metadata: v.strictObject({ labels }),
      spec: v.strictObject({
        terminationGracePeriodSeconds: count,
        securityContext: v.strictObject({
          runAsNonRoot: v.literal(true),
          seccompProfile: v.strictObject({ type: v.literal("RuntimeDefault") }),
          fsGroup: userId,
        }),
        initContainers: v.tuple([container]),
        containers: v.tuple([container]),
        volumes: v.array(v.strictObject({ name: text, emptyDir: v.strictObject({ sizeLimit: quantity }) })),
      }),
    }),
  }),
});

export function kubernetes(): Deployment {
  return v.parse(deployment, deployYaml("kubernetes-sidecar.yaml"));
}
