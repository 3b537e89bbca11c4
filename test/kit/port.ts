// Free ports for servers that must be told their port before they listen. If a server can listen on port 0, use that.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** First port of those that need no privileges and that common services do not use. */
const FIRST = 16_384;
/** First port that the system gives to outgoing connections and to listeners on port 0. */
const EPHEMERAL = ((): number => {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
  } catch {
    return 32_768; // Linux's default; other systems begin later.
  }
})();
const MAX_WORKERS = 16;

/** Each test worker has its own range of ports. */
const size = Math.floor((EPHEMERAL - FIRST) / MAX_WORKERS);
const first = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % MAX_WORKERS) * size;
let next = Math.floor(Math.random() * size);

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const opened = await Promise.race([
    once(server.listen(port, '127.0.0.1'), 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]);
  if (opened) {
    server.close();
    await once(server, 'close');
  }
  return opened;
}

/** A port that is free now, and that the system does not assign by itself. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < size; tries++) {
    const port = first + (next++ % size);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${first} to ${first + size - 1}`);
}

/** An address of this machine on which no server listens. */
export async function unusedAddress(): Promise<{ readonly port: number; readonly url: string }> {
  const port = await freePort();
  return { port, url: `http://127.0.0.1:${port}` };
}
