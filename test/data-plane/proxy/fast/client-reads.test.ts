// Reading from the sockets of clients: the shared buffer, and sockets that are handed over.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClientReads } from '../../../../src/data-plane/proxy/fast/client-reads.ts';
import { until } from '../../../kit/until.ts';

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

it('reads the connections of all clients into one buffer', async () => {
  const buffers = new Set<ArrayBufferLike>();
  let received = '';
  accepted = (socket) =>
    new ClientReads(
      socket,
      (bytes, size) => {
        buffers.add(bytes.buffer);
        received += bytes.latin1Slice(0, size);
      },
      () => undefined,
    );
  newClient().write('one');
  newClient().write('two');
  await until('both are read', () => received.length === 6);
  expect(buffers.size).toBe(1);
});

it('gives all later bytes to the next owner of a connection, as fast as it reads', async () => {
  const body = Buffer.from(Array.from({ length: 500_000 }, (_, i) => `${i}\n`).join(''));
  let first = '';
  const rest: Buffer[] = [];
  accepted = (socket) => {
    const reads = new ClientReads(
      socket,
      (bytes, size) => {
        first += bytes.latin1Slice(0, size);
        reads.handOver();
        socket.pause();
        setTimeout(() => {
          socket.on('data', (chunk: Buffer) => {
            rest.push(chunk);
            socket.pause();
            setImmediate(() => socket.resume());
          });
          socket.resume();
        }, 50);
      },
      () => undefined,
    );
  };
  newClient().write(body);
  await until(
    'all is read',
    () => rest.reduce((sum, chunk) => sum + chunk.length, first.length) === body.length,
  );
  expect(Buffer.concat([Buffer.from(first), ...rest]).equals(body)).toBe(true);
});

it('tells the next owner that the client has left, although it reads nothing', async () => {
  let hasEnded = false;
  accepted = (socket) => {
    const reads = new ClientReads(
      socket,
      () => {
        reads.handOver();
        socket.pause();
        socket.on('readable', () => socket.read(0));
        socket.on('end', () => (hasEnded = true));
      },
      () => undefined,
    );
  };
  const client = newClient();
  client.end('first');
  await until('the end is noticed', () => hasEnded);
});
