/** The fields of the Compose specification that the file uses, and no others. */
import * as v from "valibot";
import { deployYaml } from "./deploy-files.ts";

interface Service {
  image: string;
  pull_policy: "never" | "missing" | "always";
  command: string[];
  restart: "always" | "unless-stopped";
  environment: Record<string, string>;
  ports: string[];
  volumes: string[];
  stop_grace_period: string;
  read_only: true;
  cap_drop: ["ALL"];
  security_opt: ["no-new-privileges:true"];
}

export interface ComposeFile {
  services: { "span-buffer": Service };
  volumes: Record<string, { driver: "local" }>;
}

const file: v.GenericSchema<ComposeFile> = v.strictObject({
  services: v.strictObject({
    "span-buffer": v.strictObject({
      image: v.pipe(v.string(), v.nonEmpty()),
      pull_policy: v.picklist(["never", "missing", "always"]),
      command: v.array(v.string()),
      restart: v.picklist(["always", "unless-stopped"]),
      environment: v.record(v.string(), v.string()),
      ports: v.array(v.pipe(v.string(), v.regex(/^127\.0\.0\.1:\d+:\d+$/))),
      volumes: v.array(v.pipe(v.string(), v.regex(/^[a-z_]+:\/[\w/-]+$/))),
      stop_grace_period: v.pipe(v.string(), v.regex(/^\d+s$/)),
      read_only: v.literal(true),
      cap_drop: v.tuple([v.literal("ALL")]),
      security_opt: v.tuple([v.literal("no-new-privileges:true")]),
    }),
  }),
  volumes: v.record(v.string(), v.strictObject({ driver: v.literal("local") })),
});

export function compose(): ComposeFile {
  return v.parse(file, deployYaml("compose.yaml"));
}
