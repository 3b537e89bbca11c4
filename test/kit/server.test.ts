// The helper that starts servers: it retries when a port is taken, and reports an early exit at once.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { freePort } from './port.ts';
import { Server, type Program } from './server.ts';

const started: Server[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.kill()));
});

/** A Node program that executes `before`, then serves HTTP on its port. */
const program = (before: string | ((port: number) => string) = ''): Program => ({
  command: process.execPath,
  args: (port) => [
    '-e',
    `${typeof before === 'string' ? before : before(port)};
     require('node:http').createServer((req, res) => res.end(String(process.pid))).listen(${port}, '127.0.0.1')`,
  ],
  isUp: (port, pid) =>
    fetch(`http://127.0.0.1:${port}`).then(
      async (res) => (await res.text()) === String(pid),
      () => false,
    ),
});

it('waits until the started process itself serves the port', async () => {
  const server = await Server.start(program());
  started.push(server);
  expect(await (await fetch(`http://127.0.0.1:${server.port}`)).text()).toBe(String(server.process.pid));
});

it('retries with another port when the port is taken before the server listens', async () => {
  const silent = new Set<Socket>();
  const thief = createServer((socket) => silent.add(socket));
  const ports: number[] = [];
  const steals: Program = {
    ...program(),
    args(port) {
      ports.push(port);
      if (ports.length === 1) thief.listen(port, '127.0.0.1');
      return program('for (const end = Date.now() + 300; Date.now() < end; );').args(port);
    },
  };
  const server = await Server.start(steals);
  started.push(server);
  expect((thief.address() as AddressInfo).port).toBe(ports[0]);
  expect(ports).toHaveLength(2);
  expect(server.port).toBe(ports[1]);
  thief.close();
  for (const socket of silent) socket.destroy();
  await once(thief, 'close');
});

it('rejects at once when the server exits, with its exit code and last output', async () => {
  const startMs = performance.now();
  const dies = program("console.error('no such model'); process.exit(3)");
  await expect(Server.startOn(await freePort(), dies)).rejects.toThrow(
    /ended with code 3 while it was starting: no such model/,
  );
  expect(performance.now() - startMs).toBeLessThan(8000);
});

it('reports a program that does not exist', async () => {
  const missing = { ...program(), command: 'no-such-program' };
  await expect(Server.start(missing)).rejects.toThrow(/no-such-program on port \d+ ended with .*ENOENT/);
});
