import { createSecureContext } from "node:tls";
import type { Log } from "./context.ts";
import type { SidecarOptions } from "./options.ts";
import { readPrivateFile } from "./private-file.ts";

export interface TlsFiles {
  cert: string;
  key: string;
}

/**
 * The certificate (with its chain) and its key; undefined when none is configured.
 *
 * @throws Error that names the file, or says that the two do not belong together.
 */
export function readTlsFiles(
  { tlsCertificateFile, tlsKeyFile }: Pick<SidecarOptions, "tlsCertificateFile" | "tlsKeyFile">,
  log: Log,
): TlsFiles | undefined {
  if (tlsCertificateFile === undefined || tlsKeyFile === undefined) return undefined;
  const { text: cert } = readPrivateFile(tlsCertificateFile, "the TLS certificate");
  const { text: key, warning } = readPrivateFile(tlsKeyFile, "the TLS key");
  if (warning !== undefined) log.warn({}, warning);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const words =
      code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH"
        ? "the key is not the certificate's"
        : `not PEM as TLS needs it (${code || message})`;
    throw new Error(`TLS with ${tlsCertificateFile} and ${tlsKeyFile}: ${words}`, { cause: error });
  }
  return { cert, key };
}
