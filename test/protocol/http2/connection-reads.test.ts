// Reading the sockets of HTTP/2 connections: the shared buffer, and bytes that were put back.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConnectionReads } from '../../../src/protocol/http2/connection-reads.ts';
import { until } from '../../kit/until.ts';

let server: Server;
let clients: Socket[];
let accepted: (socket: Socket) => void;

const newClient = (): Socket => {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  clients.push(client);
  return client;
};

beforeEach(async () => {
  clients = [];
  server = createServer((socket) => accepted(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const client of clients) client.destroy();
  server.close();
});

it('reads all connections into one buffer', async () => {
  const buffers = new Set<ArrayBufferLike>();
  let received = '';
  accepted = (socket) =>
    new ConnectionReads(socket, (bytes, from, to) => {
      buffers.add(bytes.buffer);
      received += bytes.latin1Slice(from, to);
    });
  newClient().write('one');
  newClient().write('two');
  await until('both are read', () => received.length === 6);
  expect(buffers.size).toBe(1);
});

it('reads what was put back first, and then into the shared buffer', async () => {
  const body = Buffer.from(Array.from({ length: 500_000 }, (_, i) => `${i}\n`).join(''));
  const received: Buffer[] = [];
  let reads: ConnectionReads | undefined;
  const buffers = new Set<ArrayBufferLike>();
  accepted = (socket) => {
    socket.once('readable', () => {
      const first = socket.read() as Buffer;
      socket.pause();
      socket.unshift(first);
      reads = new ConnectionReads(socket, (bytes, from, to) => {
        buffers.add(bytes.buffer);
        received.push(Buffer.from(bytes.subarray(from, to)));
      });
      socket.resume();
    });
  };
  newClient().end(body);
  await until('all is read', () => received.reduce((sum, { length }) => sum + length, 0) === body.length);
  expect(Buffer.concat(received).equals(body)).toBe(true);
  expect(reads).toBeDefined();
  // Those of the bytes that Node had read by itself, and the shared one.
  expect(buffers.size).toBeLessThan(received.length);
});

it('drops what comes after it was stopped', async () => {
  let received = '';
  let reads: ConnectionReads | undefined;
  let hasEnded = false;
  accepted = (socket) => {
    reads = new ConnectionReads(socket, (bytes, from, to) => (received += bytes.latin1Slice(from, to)));
    socket.on('end', () => (hasEnded = true)).resume();
  };
  const client = newClient();
  client.write('one');
  await until('it is read', () => received === 'one');
  reads!.stop();
  client.end('two');
  await until('the connection has ended', () => hasEnded);
  expect(received).toBe('one');
});
