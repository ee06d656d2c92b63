import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { deployFile, unitSections } from "./deploy-files.ts";

const unit = deployFile("span-buffer.service");
const sections = unitSections(unit);
const service = (key: string): string | undefined => sections.get("Service")?.get(key)?.at(-1);

const yes = /^yes$/;
const seconds = /^\d+$/;
const any = /./;
const empty = /^$/;

/** Keys of systemd.unit(5), systemd.service(5), systemd.exec(5) and systemd.kill(5) that are used, and what each may be. */
const known: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  Unit: { Description: any, After: any, Wants: any, StartLimitIntervalSec: seconds },
  Service: {
    Type: /^exec$/,
    EnvironmentFile: /^\//,
    Environment: /^[A-Z_]+=\S+$/,
    ExecStart: /^\/\S+( \S+)*$/,
    ExecReload: /^\/bin\/kill -HUP \$MAINPID$/,
    KillSignal: /^SIGTERM$/,
    KillMode: /^mixed$/,
    TimeoutStopSec: seconds,
    Restart: /^always$/,
    RestartSec: seconds,
    RestartPreventExitStatus: /^2$/,
    DynamicUser: yes,
    StateDirectory: /^[\w-]+$/,
    StateDirectoryMode: /^0700$/,
    UMask: /^0077$/,
    LimitNOFILE: seconds,
    NoNewPrivileges: yes,
    CapabilityBoundingSet: empty,
    AmbientCapabilities: empty,
    ProtectSystem: /^strict$/,
    ProtectHome: yes,
    PrivateTmp: yes,
    PrivateDevices: yes,
    ProtectClock: yes,
    ProtectControlGroups: yes,
    ProtectHostname: yes,
    ProtectKernelLogs: yes,
    ProtectKernelModules: yes,
    ProtectKernelTunables: yes,
    ProtectProc: /^invisible$/,
    RestrictAddressFamilies: /^AF_INET AF_INET6 AF_UNIX$/,
    RestrictNamespaces: yes,
    RestrictRealtime: yes,
    RestrictSUIDSGID: yes,
    LockPersonality: yes,
    SystemCallArchitectures: /^native$/,
    SystemCallFilter: /^@system-service$/,
    SystemCallErrorNumber: /^EPERM$/,
  },
  Install: { WantedBy: any },
};

test("sections, keys and values are systemd's", () => {
  expect([...sections.keys()]).toEqual(Object.keys(known));
  for (const [name, keys] of sections) {
    for (const [key, values] of keys) {
      const pattern = known[name]?.[key];
      expect(pattern, `${name}: ${key}`).toBeDefined();
      for (const value of values) expect(value, key).toMatch(pattern as RegExp);
    }
  }
});

test("it is hardened: all that is known of it is there", () => {
  expect([...(sections.get("Service")?.keys() ?? [])].sort()).toEqual(Object.keys(known["Service"] ?? {}).sort());
});

test("the journals are in the service's own folder, and no key is in the unit", () => {
  expect(sections.get("Service")?.get("Environment")).toContain(
    `SPAN_BUFFER_DIRECTORY=%S/${service("StateDirectory")}`,
  );
  expect(unit).not.toMatch(/[ps]k-lf-/);
});

test("there is more time to stop than the sidecar takes", () => {
  const limitMs = Number(/--shutdown-timeout-ms (\d+)/.exec(service("ExecStart") ?? "")?.[1]);
  expect(Number(service("TimeoutStopSec")) * 1_000).toBeGreaterThan(limitMs + 5_000);
});

const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

/** What systemd says of a unit whose program exists. */
function verify(text: string): { status: number | null; stderr: string } {
  const file = join(temporaryDirectory(), "span-buffer.service");
  writeFileSync(file, text.replaceAll(/^(ExecStart|ExecReload)=\S+/gm, `$1=${process.execPath}`));
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file], {
    encoding: "utf8",
  });
  return { status, stderr: stderr.replaceAll(file, "unit") };
}

test.runIf(analyze)("systemd itself has nothing to say", () => {
  expect(verify(unit)).toEqual({ status: 0, stderr: "" });
  // And it does look.
  expect(verify(unit.replace("UMask=", "Umask=")).stderr).toContain("Umask");
});
