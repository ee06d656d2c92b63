/**
 * X.509 certificates for tests, written as DER by hand: Node can read them and sign, but not make them, and a machine
 * may be without `openssl`. The structure is that of RFC 5280.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface Authority {
  name: string;
  privateKey: KeyObject;
  /** PEM. */
  certificate: string;
}

export interface ServerCertificate {
  /** Both PEM. */
  key: string;
  cert: string;
}

const dayMs = 86_400_000;
/** Object identifiers, encoded. */
const oid = {
  commonName: "550403",
  ecdsaWithSha256: "2a8648ce3d040302",
  basicConstraints: "551d13",
  subjectAlternativeName: "551d11",
} as const;
let lastSerial = 0;

/** A new authority: each is as unknown to Node as the first. */
export function makeAuthority(name: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = extension(oid.basicConstraints, sequence(der(0x01, Buffer.of(0xff))));
  const certificate = certify({ subject: name, publicKey, issuer: { name, privateKey }, days: 10, extra: isAuthority });
  return { name, privateKey, certificate };
}

/** For 127.0.0.1, ::1 and the given names. @param days until it expires; negative: since it has. */
export function makeServerCertificate(issuer: Authority, names: readonly string[], days = 1): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const addresses = [Buffer.of(127, 0, 0, 1), Buffer.concat([Buffer.alloc(15), Buffer.of(1)])];
  const alternatives = sequence(
    ...names.map((name) => der(0x82, Buffer.from(name))),
    ...addresses.map((address) => der(0x87, address)),
  );
  const extra = extension(oid.subjectAlternativeName, alternatives);
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: certify({ subject: names[0] ?? "server", publicKey, issuer, days, extra }),
  };
}

interface Certified {
  subject: string;
  publicKey: KeyObject;
  issuer: Pick<Authority, "name" | "privateKey">;
  days: number;
  extra: Buffer;
}

function certify({ subject, publicKey, issuer, days, extra }: Certified): string {
  const algorithm = sequence(der(0x06, Buffer.from(oid.ecdsaWithSha256, "hex")));
  const untilMs = Date.now() + days * dayMs;
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1, ++lastSerial)),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(Math.min(untilMs, Date.now()) - dayMs), time(untilMs)),
    distinguishedName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extra)),
  );
  const signature = sign("sha256", content, issuer.privateKey);
  const certificate = sequence(content, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(der(0x06, Buffer.from(oid.commonName, "hex")), der(0x0c, Buffer.from(name)))));
}

/** Critical. */
function extension(id: string, value: Buffer): Buffer {
  return sequence(der(0x06, Buffer.from(id, "hex")), der(0x01, Buffer.of(0xff)), der(0x04, value));
}

/** As GeneralizedTime: `20261123174205Z`. */
function time(atMs: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(atMs).toISOString().replaceAll(/[-:T]|\..*/g, "")}Z`));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const bytes = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length, ...bytes), content]);
}
