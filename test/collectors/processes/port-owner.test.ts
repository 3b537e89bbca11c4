// The process that listens on a port, with real sockets and processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { isOwnAddress, PortOwners, parseTcp } from '../../../src/collectors/processes/port-owner.ts';
import { readProcesses } from '../../../src/collectors/processes/process-table.ts';
import { until } from '../../kit/until.ts';

const servers = new Set<ReturnType<typeof createServer>>();
afterEach(async () => {
  await Promise.all(Array.from(servers, (server) => new Promise((resolve) => server.close(resolve))));
  servers.clear();
});

async function listenOn(host: string): Promise<number> {
  const server = createServer();
  servers.add(server);
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const table = () => readProcesses('/proc');
const find = (host: string, port: number) => new PortOwners('/proc').find(host, port, table);

it('finds the process of a port, for any bound address', async () => {
  for (const bound of ['127.0.0.1', '0.0.0.0'])
    expect((await find('127.0.0.1', await listenOn(bound)))?.pid, bound).toBe(process.pid);
  expect((await find('localhost', await listenOn('127.0.0.1')))?.pid).toBe(process.pid);
});

it('searches once for an owner that is not visible, and again for a new socket', async () => {
  const port = await listenOn('127.0.0.1');
  let searches = 0;
  // The table contains process 1 only, as if all others belonged to another user.
  const blind = async () => {
    searches++;
    return new Map();
  };
  const listeners = new PortOwners('/proc');
  for (let i = 0; i < 3; i++) expect(await listeners.find('127.0.0.1', port, blind)).toBeUndefined();
  expect(searches).toBe(1);
  const [server] = servers;
  await new Promise((resolve) => server!.close(resolve));
  server!.listen(port, '127.0.0.1');
  await once(server!, 'listening');
  expect((await listeners.find('127.0.0.1', port, table))?.pid).toBe(process.pid);
});

it('finds nothing on an unused port or another address', async () => {
  const port = await listenOn('127.0.0.1');
  expect(await find('192.0.2.7', port)).toBeUndefined();
  await new Promise((resolve) => [...servers][0]!.close(resolve));
  servers.clear();
  expect(await find('127.0.0.1', port)).toBeUndefined();
});

it('finds the server, not the children that inherited its socket, and does not search again', async () => {
  // A server whose forked children hold the same socket, as pre-forking servers do.
  const code = `
    const { createServer } = require('node:net');
    const { spawn } = require('node:child_process');
    const server = createServer().listen(0, '127.0.0.1', () => {
      const kids = [1, 2].map(() => spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', server._handle] }));
      console.log(JSON.stringify({ port: server.address().port, kids: kids.map((kid) => kid.pid) }));
    });
    process.on('SIGTERM', () => process.exit());`;
  const child = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    await until('it listens', () => said.includes('\n'));
    const { port, kids } = JSON.parse(said) as { port: number; kids: number[] };
    expect(kids).toHaveLength(2);
    const listeners = new PortOwners('/proc');
    expect((await listeners.find('127.0.0.1', port, table))?.pid).toBe(child.pid);
    const noTable = () => Promise.reject(new Error('searched again'));
    expect((await listeners.find('127.0.0.1', port, noTable))?.pid).toBe(child.pid);
    process.kill(-child.pid!, 'SIGKILL');
    await once(child, 'exit');
    await until(
      'no listener is found any more',
      async () => (await listeners.find('127.0.0.1', port, table)) === undefined,
    );
  } finally {
    child.kill('SIGKILL');
  }
});

it('finds the parent of workers that share a port by SO_REUSEPORT', async () => {
  const port = await listenOn('127.0.0.1');
  await new Promise((resolve) => [...servers][0]!.close(resolve));
  servers.clear();
  const worker = `require('node:net').createServer().listen({ port: ${port}, host: '127.0.0.1', reusePort: true }, () => console.log('up'));`;
  const starter = `const { spawn } = require('node:child_process');
    for (let i = 0; i < 2; i++) spawn(process.execPath, ['-e', ${JSON.stringify(worker)}], { stdio: ['ignore', 'inherit', 'inherit'] });
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['-e', starter], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    await until('both listen', () => said === 'up\nup\n');
    expect((await find('127.0.0.1', port))?.pid).toBe(child.pid);
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
    await once(child, 'exit');
  }
});

it('recognizes addresses of this machine without a lookup', () => {
  for (const own of ['localhost', '127.0.0.1', '127.8.8.8', '::1', hostname()])
    expect(isOwnAddress(own), own).toBe(true);
  for (const other of ['192.0.2.1', 'example.com', '2001:db8::1'])
    expect(isOwnAddress(other), other).toBe(false);
});

it('parses IPv4 and IPv6 addresses', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4343 1 0000000000000000 20 4 30 10 -1
   2: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0
   3: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4545 1 0
`;
  expect(parseTcp(text)).toEqual([
    { host: '127.0.0.1', port: 8080, inode: '4242' },
    { host: '::1', port: 8081, inode: '4444' },
    { host: '127.0.0.1', port: 8082, inode: '4545' },
  ]);
  fc.assert(
    fc.property(fc.string(), (garbage) => {
      expect(parseTcp(garbage)).toEqual([]);
    }),
  );
});
