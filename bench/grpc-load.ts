// Clients of the gRPC benchmark for what h2load cannot do. Runs one job and prints one line of JSON.
//   clients PORT CONNECTIONS CALLS_AT_ONCE CALLS   calls of grpc-js, with a deadline and a key
//   upload  PORT BYTES TIMES ROUND_TRIP_MS         uploads on one stream at a time, over a link with this delay
//   idle    PORT CONNECTIONS                       opens connections, makes one call on each, prints, waits for a line
//   slow    PORT CONNECTIONS                       a call on each, whose response is read slowly; prints, waits for a line
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  block,
  FLAG,
  FRAME,
  frame,
  FrameReader,
  MAX_WINDOW,
  message,
  PREFACE,
  SETTING,
  settings,
  SETTINGS_ACK,
  windowUpdate,
} from './http2-frames.ts';

const [job, portText, ...rest] = process.argv.slice(2);
const port = Number(portText);
const numbers = rest.map(Number);
const PATH = '/example.TestService/UnaryCall';
const SMALL = Buffer.alloc(32, 'q');
/** Pause of a slow reader after each chunk. */
const SLOW_MS = 100;

async function clients(connections: number, atOnce: number, calls: number): Promise<object> {
  const same = (bytes: Buffer): Buffer => bytes;
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer sk-0123456789abcdef');
  let left = calls;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      });
      const call = () =>
        new Promise<void>((resolve, reject) => {
          const deadline = Date.now() + 20_000;
          client.makeUnaryRequest(PATH, same, same, SMALL, metadata, { deadline }, (error) =>
            error === null ? resolve() : reject(error),
          );
        });
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (left-- > 0) await call();
        }),
      );
      client.close();
    }),
  );
  return { calls, seconds: (performance.now() - startMs) / 1000 };
}

/** Passes connections on to `port`, each chunk later by `delayMs` in each direction. Returns its own port. */
async function delayingRelay(delayMs: number): Promise<number> {
  const passOn = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs));
    from.on('close', () => setTimeout(() => to.destroy(), delayMs));
    from.on('error', () => from.destroy());
  };
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port, host: '127.0.0.1', noDelay: true });
    passOn(client, target);
    passOn(target, client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Prints megabytes per second of each upload. */
async function upload(bytes: number, times: number, roundTripMs: number): Promise<object> {
  const relay = await delayingRelay(roundTripMs / 2);
  const session = connectHttp2(`http://127.0.0.1:${relay}`);
  await once(session, 'remoteSettings');
  // The window of the connection may come behind the settings.
  await sleep(2 * roundTripMs);
  const body = message(Buffer.alloc(bytes, 'q'));
  const rates: number[] = [];
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
    stream.end(body);
    for await (const _ of stream);
    if (status !== '0') throw new Error(`upload: grpc-status ${String(status)}`);
    rates.push(bytes / 1000 / (performance.now() - startMs));
  }
  return { megabytes_per_second: rates };
}

const REQUEST = block({
  ':method': 'POST',
  ':scheme': 'http',
  ':path': PATH,
  ':authority': '127.0.0.1',
  'content-type': 'application/grpc',
  te: 'trailers',
});
const OPENING = Buffer.concat([
  PREFACE,
  settings([SETTING.initialWindow, MAX_WINDOW]),
  windowUpdate(0, MAX_WINDOW - 65_535),
]);
const CALL = Buffer.concat([
  frame(FRAME.headers, FLAG.endHeaders, 1, REQUEST),
  frame(FRAME.data, FLAG.endStream, 1, message(SMALL)),
]);

/** A connection with one call. `ended`: called when the response is complete. */
async function connection(ended: () => void): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('close', () => {
    throw new Error(`${job}: the connection was closed`);
  });
  const reader = new FrameReader(
    () => undefined,
    (type, flags) => {
      if (type === FRAME.settings && (flags & FLAG.ack) === 0) socket.write(SETTINGS_ACK);
      if (type === FRAME.headers && (flags & FLAG.endStream) !== 0) ended();
    },
  );
  socket.on('data', (chunk) => reader.read(chunk));
  await once(socket, 'connect');
  socket.write(Buffer.concat([OPENING, CALL]));
  return socket;
}

/** Tells the benchmark that all connections are open, and keeps them until it is told to end. */
async function hold(connections: number): Promise<object> {
  console.log(JSON.stringify({ connections }));
  await once(process.stdin, 'data');
  return {};
}

async function idle(connections: number): Promise<object> {
  for (let i = 0; i < connections; i++)
    await new Promise<void>((resolve, reject) => {
      connection(resolve).catch(reject);
    });
  return hold(connections);
}

/** Each reader is paused after each chunk that it gets, at most 64 KiB. */
async function slow(connections: number): Promise<object> {
  for (let i = 0; i < connections; i++) {
    const socket = await connection(() => undefined);
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), SLOW_MS);
    });
  }
  return hold(connections);
}

const jobs: Record<string, () => Promise<object>> = {
  clients: () => clients(numbers[0]!, numbers[1]!, numbers[2]!),
  upload: () => upload(numbers[0]!, numbers[1]!, numbers[2]!),
  idle: () => idle(numbers[0]!),
  slow: () => slow(numbers[0]!),
};
console.log(JSON.stringify(await jobs[job!]!()));
process.exit(0);
