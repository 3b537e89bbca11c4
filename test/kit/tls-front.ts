// A plain port in front of a TLS port, for suites that use plain sockets. Bytes, ends and resets pass unchanged.
// Invariant: everything that was opened is closed by `closeFronts`.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';

const servers = new Set<Server>();
const sockets = new Set<Socket>();

/** Opens a port that forwards connections to `port` over TLS (ALPN http/1.1). Resolves to its number. */
export async function startTlsFront(port: number, ca: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const raw = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const inner = secure({ socket: raw, ca, servername: 'localhost', ALPNProtocols: ['http/1.1'] });
    for (const socket of [client, raw]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    let isReset = false;
    client.on('error', () => undefined);
    inner.on('error', () => undefined);
    raw.on('error', ({ code }: NodeJS.ErrnoException) => (isReset = code === 'ECONNRESET'));
    client.on('data', (chunk) => {
      if (!inner.write(chunk)) client.pause();
    });
    inner.on('drain', () => client.resume());
    inner.on('data', (chunk) => {
      if (!client.write(chunk)) inner.pause();
    });
    client.on('drain', () => inner.resume());
    client.on('end', () => inner.end());
    inner.on('end', () => client.end());
    // A reset or closed client does not end its stream, so its connection is destroyed here.
    client.on('close', () => raw.destroy());
    raw.on('close', () => (isReset ? client.resetAndDestroy() : client.destroySoon()));
  });
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export function closeFronts(): void {
  for (const server of servers) server.close();
  servers.clear();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}
