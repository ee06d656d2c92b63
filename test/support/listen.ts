import type { Server } from "node:net";

/** Returns the port; 0 takes a free one. */
export async function listen(server: Server, host: string, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return (server.address() as { port: number }).port;
}
