// A proxy before weir whose connections can be cut, as a network does that fails.
// Invariant: bytes pass unchanged; after `cut` new connections are accepted at once.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

export interface CutProxy {
  /** Address of the page behind it. */
  readonly admin: string;
  /** Breaks all connections. */
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

/** Starts a proxy before the admin server. */
export async function startCutProxy(admin: string): Promise<CutProxy> {
  const { hostname, port } = new URL(admin);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const weir = connect(Number(port), hostname);
    for (const one of [client, weir]) {
      sockets.add(one);
      one.on('close', () => sockets.delete(one));
      // The other side is closed by its own event.
      one.on('error', () => one.destroy());
    }
    client.pipe(weir).pipe(client);
    client.on('close', () => weir.destroy());
    weir.on('close', (hasFailed) => (hasFailed ? client.destroy() : client.end()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    admin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
