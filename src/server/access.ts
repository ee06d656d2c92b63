/** Who a caller is, by its Authorization header. The words of the refusals begin as Langfuse's do. */
import { hash, timingSafeEqual } from "node:crypto";
import type { Refusal } from "./context.ts";

export interface Credentials {
  publicKey: string;
  secretKey: string;
}

interface Entry<Subject> {
  subject: Subject;
  /** Of `publicKey:secretKey`. Hashes are of one length, so comparing them tells nothing of the keys. */
  digest: Buffer;
}

export interface AccessOptions<Subject> {
  subjects: readonly { subject: Subject; credentials: Credentials | undefined }[];
  /** Only this machine reaches the sidecar. */
  isLoopback: boolean;
}

const wrongHost = "Confirm that you've configured the correct host.";
const useBasic = 'send "Authorization: Basic " and base64 of publicKey:secretKey';

export class Access<Subject> {
  readonly #entries: readonly Entry<Subject>[];
  /** Whose a request without a header is. */
  readonly #whenOmitted: Subject | undefined;
  /** There are no keys to compare with. */
  readonly #isOpen: boolean;
  readonly #isLoopback: boolean;

  constructor({ subjects, isLoopback }: AccessOptions<Subject>) {
    this.#entries = subjects.flatMap(({ subject, credentials }) =>
      credentials === undefined ? [] : [{ subject, digest: digestOf(credentials) }],
    );
    this.#isLoopback = isLoopback;
    this.#whenOmitted = isLoopback && subjects.length === 1 ? subjects[0]?.subject : undefined;
    this.#isOpen = this.#entries.length === 0 && this.#whenOmitted !== undefined;
  }

  /** Whose request it is, or why it is refused. Takes as long whichever key is wrong, and wherever. */
  decide(authorization: string | undefined): { subject: Subject } | { refusal: Refusal } {
    const omitted = this.#whenOmitted;
    if (omitted !== undefined && (this.#isOpen || authorization === undefined)) return { subject: omitted };
    if (authorization === undefined) return refused(this.#missing());
    const [scheme = "", token = ""] = authorization.trim().split(/\s+/, 2);
    switch (scheme.toLowerCase()) {
      case "basic":
        return this.#compare(Buffer.from(token, "base64").toString());
      case "bearer":
        return refused(`Invalid public key. ${wrongHost} A sidecar takes no Bearer: ${useBasic}${this.#orOmit()}.`);
      default:
        return refused(`Invalid authorization header. ${this.#howTo(scheme)}`);
    }
  }

  #compare(presented: string): { subject: Subject } | { refusal: Refusal } {
    const digest = hash("sha256", presented, "buffer");
    let found: Entry<Subject> | undefined;
    // All of them, also after a match.
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry;
    return found === undefined ? refused(`Invalid credentials. ${wrongHost}`) : { subject: found.subject };
  }

  #missing(): string {
    const why = this.#isLoopback
      ? "This sidecar has several projects, and the keys say which one is meant"
      : "This sidecar can be reached from other machines, so it asks everybody for keys";
    return `No authorization header. ${why}: ${useBasic}.`;
  }

  #howTo(scheme: string): string {
    // Some exporters send OTEL_EXPORTER_OTLP_HEADERS as it stands in the environment.
    const isEncoded = /^(basic|bearer)%20/i.test(scheme);
    const hint = isEncoded ? 'It is percent-encoded: write a space in place of "%20". ' : "";
    return `${hint}Please ${useBasic}${this.#orOmit()}.`;
  }

  #orOmit(): string {
    return this.#whenOmitted === undefined ? "" : ", or leave the header out: from this machine none is needed";
  }
}

function digestOf({ publicKey, secretKey }: Credentials): Buffer {
  return hash("sha256", `${publicKey}:${secretKey}`, "buffer");
}

function refused(message: string): { refusal: Refusal } {
  return { refusal: { status: 401, message } };
}
