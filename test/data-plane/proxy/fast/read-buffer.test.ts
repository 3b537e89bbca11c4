// Buffers of large bodies, while those who take the bytes are slow.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ReplicaConnection } from '../../../../src/data-plane/proxy/fast/replica-connection.ts';
import { parseReplicaUrl } from '../../../../src/data-plane/replicas/replica-url.ts';
import { until } from '../../../kit/until.ts';

const FILLER = Buffer.alloc(16 * 1024 * 1024, '-');

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Starts a server; `accepted` resolves to its first connection. */
async function startServer(): Promise<{ port: number; accepted: Promise<Socket> }> {
  const server = createServer().listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const accepted = once(server, 'connection').then(([socket]) => {
    sockets.push(socket as Socket);
    return socket as Socket;
  });
  return { port: (server.address() as AddressInfo).port, accepted };
}

/** A client that reads nothing until `read` is called, with bytes that wait to be written to it. */
async function startSlowClient() {
  const { port, accepted } = await startServer();
  const client = connect(port, '127.0.0.1');
  sockets.push(client);
  const socket = await accepted;
  socket.write(FILLER);
  const received: Buffer[] = [];
  let size = 0;
  const read = (): void =>
    void client.on('data', (chunk: Buffer) => {
      received.push(chunk);
      size += chunk.length;
    });
  return {
    socket,
    read,
    size: () => size - FILLER.length,
    body: () => Buffer.concat(received).subarray(FILLER.length),
  };
}

type Taken = (connection: ReplicaConnection, bytes: Buffer, size: number) => boolean;

/** Opens a connection to a replica. `taken.of` gets its bytes. */
async function openConnection(taken: { of: Taken }) {
  const { port, accepted } = await startServer();
  const url = parseReplicaUrl(`http://127.0.0.1:${port}`);
  if ('problem' in url) throw new Error(url.problem);
  const connection = new ReplicaConnection(url.value, () => undefined);
  sockets.push(connection.socket as Socket);
  connection.user = {
    onBytes: (bytes, size) => taken.of(connection, bytes, size),
    onDrain: () => undefined,
    onWriteFailed: () => undefined,
    onEnd: () => undefined,
    onLost: () => undefined,
  };
  return { connection, replica: await accepted };
}

it('reads no more of a response while its client is slow, when the client of the last one has taken its bytes', async () => {
  const [first, second] = [await startSlowClient(), await startSlowClient()];
  let left = 0;
  /** Forwards the next `length` bytes to `client`. */
  const serve = (client: Socket, length: number): void => {
    left = length;
    taken.of = ({ buffer }, bytes, size) => {
      buffer.forward(bytes, 0, size, client);
      left -= size;
      if (left === 0) buffer.endBulk();
      return left === 0 || !buffer.isPending;
    };
  };
  const taken: { of: Taken } = { of: () => true };
  const { connection, replica } = await openConnection(taken);
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => `${i}\n`).join(''));
  // All is there before it is read, so that the first read fills the shared buffer.
  const send = async (bytes: Buffer) => {
    connection.socket.pause();
    replica.write(bytes);
    await new Promise((resolve) => setTimeout(resolve, 50));
    connection.socket.resume();
  };
  serve(first.socket, 128 * 1024);
  await send(Buffer.alloc(128 * 1024, 'a'));
  await until('the first response is read', () => left === 0);
  serve(second.socket, body.length);
  await send(body);
  await until('the second client is slow', () => connection.buffer.isPending);
  first.read();
  await until('the first client has its response', () => first.size() === 128 * 1024);
  // Time for reads that must not happen.
  await new Promise((resolve) => setTimeout(resolve, 100));
  second.read();
  await until('the second client has its response', () => second.size() === body.length);
  expect(second.body().equals(body)).toBe(true);
});

it('keeps the bytes that a slow client has not taken, while others are read', async () => {
  const client = await startSlowClient();
  let size = 0;
  const { replica } = await openConnection({
    of: ({ buffer }, bytes, received) => {
      buffer.forward(bytes, 0, received, client.socket);
      size += received;
      return true;
    },
  });
  const pieces = Array.from({ length: 5 }, (_, i) => Buffer.alloc(20_000, `${i}`));
  for (const [i, piece] of pieces.entries()) {
    replica.write(piece);
    await until('the piece is read', () => size === (i + 1) * piece.length);
  }
  client.read();
  await until('the client has all', () => client.size() === size);
  expect(client.body().equals(Buffer.concat(pieces))).toBe(true);
});
