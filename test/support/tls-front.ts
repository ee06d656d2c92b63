import { connect, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import type { ServerCertificate } from "./certificates.ts";
import { listen } from "./listen.ts";

export interface TlsFront {
  port: number;
  /** From now on; open connections are closed. */
  use(certificate: ServerCertificate): void;
  handshakes(): number;
}

/** TLS before a server on 127.0.0.1. */
export async function tlsFront(targetPort: number, certificate: ServerCertificate): Promise<TlsFront> {
  const sockets = new Set<Socket | TLSSocket>();
  let handshakes = 0;
  const server = createTlsServer(certificate, (client) => {
    handshakes++;
    const target = connect(targetPort, "127.0.0.1");
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const port = await listen(server, "127.0.0.1");
  onTestFinished(() => {
    close();
    server.close();
  });
  return {
    port,
    use(next) {
      server.setSecureContext(next);
      close();
    },
    handshakes: () => handshakes,
  };
}
