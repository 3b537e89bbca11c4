// gRPC interoperability with replicas that reset, leave, ping and pad at each point of a call, by single frames.
// Sources: the negative HTTP/2 tests and the interop tests of the gRPC project (names in brackets). The other cases of the
// latter are in test/contract/grpc-calls.ts.
import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { Decoder } from '../../src/protocol/http2/hpack/decoder.ts';
import { closeH2, frame, hpack, startFrameReplica, type Frame, type FrameReplica } from '../kit/h2.ts';
import { closeGrpc, testMethods, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;

afterEach(async () => {
  await stopAll();
  await closeGrpc();
  closeH2();
});

const HEAD = hpack([':status', '200'], ['content-type', 'application/grpc']);
const OK = hpack(['grpc-status', '0']);

/** A response of unaryCall with a body of so many bytes, with its prefix. */
function responseOf(size: number): Buffer {
  const message = testMethods['UnaryCall']!.responseSerialize({ payload: { body: Buffer.alloc(size) } });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const head = (stream: number): Buffer => frame(HEADERS, END_HEADERS, stream, HEAD);
const trailers = (stream: number): Buffer => frame(HEADERS, END_HEADERS | END_STREAM, stream, OK);
const whole = (stream: number): Buffer =>
  Buffer.concat([head(stream), frame(DATA, 0, stream, responseOf(3)), trailers(stream)]);
const fourBytes = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const reset = (stream: number, code: number): Buffer => frame(RST_STREAM, 0, stream, fourBytes(code));

interface Pair {
  readonly replica: FrameReplica;
  readonly weir: Weir;
  readonly client: TestClient;
}

/** Starts a replica that answers each call with these bytes, and health checks with UNIMPLEMENTED, and a weir. */
async function startPair(
  respond: (stream: number, socket: Socket) => Buffer,
  settings?: Buffer,
  onFrame?: (one: Frame, socket: Socket) => void,
): Promise<Pair> {
  const decoders = new Map<Socket, Decoder>();
  let path = '';
  const replica = await startFrameReplica(
    (stream, socket) =>
      path.startsWith('/grpc.health.')
        ? frame(HEADERS, END_HEADERS | END_STREAM, stream, hpack([':status', '200'], ['grpc-status', '12']))
        : respond(stream, socket),
    () => settings ?? Buffer.alloc(0),
    (one, socket) => {
      onFrame?.(one, socket);
      if (one.type !== HEADERS) return;
      if (!decoders.has(socket)) decoders.set(socket, new Decoder(65_536));
      ({ path } = decoders.get(socket)!.decode(one.payload, 0, one.payload.length));
    },
  );
  const weir = await startWeir(['--replica', replica.url]);
  return { replica, weir, client: new TestClient(weir.port) };
}

/** Checks that weir and the client have no call left. */
async function expectNoCalls(weir: Weir): Promise<void> {
  await weir.expectMetric('baseten_concurrent_requests', 0);
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  await weir.expectMetric('weir_http2_streams{side="replica"}', 0);
}

it.each([
  ['after its head [rst_after_header]', (stream: number) => [head(stream)]],
  [
    'in a message [rst_during_data]',
    (stream: number) => [head(stream), frame(DATA, 0, stream, responseOf(100).subarray(0, 50))],
  ],
  [
    'after a message [rst_after_data]',
    (stream: number) => [head(stream), frame(DATA, 0, stream, responseOf(100))],
  ],
])('a response that is reset %s fails its call, and no other', async (_, begin) => {
  let calls = 0;
  const connections = new Set<Socket>();
  const { weir, client } = await startPair((stream, socket) => {
    connections.add(socket);
    return calls++ === 1 ? Buffer.concat([...begin(stream), reset(stream, 2)]) : whole(stream);
  });
  const outcomes = [];
  for (let i = 0; i < 3; i++) outcomes.push(await client.unary('unaryCall').outcome);
  expect(outcomes.map(({ code }) => code)).toEqual([status.OK, status.INTERNAL, status.OK]);
  expect(outcomes[1]!.details).toBe('The replica reset the stream (INTERNAL_ERROR)');
  expect(connections.size).toBe(1);
  await expectNoCalls(weir);
});

it('a call after the GOAWAY of a replica gets a new connection [goaway]', async () => {
  const { replica, client, weir } = await startPair((stream) =>
    Buffer.concat([whole(stream), frame(GOAWAY, 0, 0, Buffer.concat([fourBytes(stream), fourBytes(0)]))]),
  );
  for (let i = 0; i < 3; i++) {
    expect((await client.unary('unaryCall').outcome).code).toBe(status.OK);
    const before = replica.connections;
    await until('the connection is closed', async () => {
      const page = await weir.page();
      return page.value('weir_http2_connections{side="replica"}') === 0 && before === i + 2;
    });
  }
  await expectNoCalls(weir);
});

it('a call that a GOAWAY leaves out is sent again on a new connection', async () => {
  let calls = 0;
  const { replica, client, weir } = await startPair((stream) =>
    calls++ === 0
      ? frame(GOAWAY, 0, 0, Buffer.concat([fourBytes(stream - 2 < 0 ? 0 : stream - 2), fourBytes(0)]))
      : whole(stream),
  );
  const { code, id } = await client.unary('unaryCall').outcome;
  expect(code).toBe(status.OK);
  expect(await weir.expectExchange(id)).toMatchObject({ status: 0, cause: 'ok' });
  expect(replica.connections).toBe(3);
  await expectNoCalls(weir);
});

it('answers each PING of a replica, at each point of a call [ping]', async () => {
  const sent: string[] = [];
  const acknowledged: string[] = [];
  const ping = () => {
    const payload = Buffer.from(String(sent.length).padStart(8, '0'));
    sent.push(payload.toString());
    return frame(PING, 0, 0, payload);
  };
  const { client, weir } = await startPair(
    (stream) =>
      Buffer.concat([
        ping(),
        head(stream),
        ping(),
        frame(DATA, 0, stream, responseOf(3)),
        ping(),
        trailers(stream),
        ping(),
      ]),
    undefined,
    ({ type, flags, payload }) => {
      if (type === PING && (flags & ACK) !== 0) acknowledged.push(payload.toString());
    },
  );
  for (let i = 0; i < 20; i++) expect((await client.unary('unaryCall').outcome).code).toBe(status.OK);
  await until('all are acknowledged', () => acknowledged.length === 80);
  expect(acknowledged).toEqual(sent);
  await expectNoCalls(weir);
});

it('keeps the number of streams that a replica allows, and all calls succeed [max_streams]', async () => {
  const open = new Set<string>();
  const most = { streams: 0 };
  const names = new Map<Socket, number>();
  const { client, weir } = await startPair(
    (stream, socket) => {
      const name = `${names.get(socket) ?? names.set(socket, names.size).size}/${stream}`;
      open.add(name);
      const ofConnection = [...open].filter((one) => one.startsWith(name.slice(0, name.indexOf('/') + 1)));
      most.streams = Math.max(most.streams, ofConnection.length);
      setTimeout(() => {
        open.delete(name);
        socket.write(whole(stream));
      }, 5);
      return Buffer.alloc(0);
    },
    // SETTINGS_MAX_CONCURRENT_STREAMS is 1.
    Buffer.from([0, 3, 0, 0, 0, 1]),
  );
  const calls = Array.from({ length: 15 }, () => client.unary('unaryCall').outcome);
  for (const { code } of await Promise.all(calls)) expect(code).toBe(status.OK);
  expect(most.streams).toBe(1);
  await expectNoCalls(weir);
});

it('gives credit for padding as for messages [data_frame_padding]', async () => {
  const PADDING = 255;
  const bytes = responseOf(2000);
  let credit = 65_535;
  let least = Infinity;
  const { client, weir } = await startPair(
    (stream) => {
      // Each byte of the message in a frame of its own, with the most padding.
      const frames = Array.from(bytes, (byte) =>
        frame(DATA, PADDED, stream, Buffer.from([PADDING, byte, ...Buffer.alloc(PADDING)])),
      );
      credit -= bytes.length * (PADDING + 2);
      least = Math.min(least, credit);
      return Buffer.concat([head(stream), ...frames, trailers(stream)]);
    },
    undefined,
    ({ type, stream, payload }) => {
      if (type === WINDOW_UPDATE && stream === 0) credit += payload.readUInt32BE();
    },
  );
  // Together far more than the window of a connection.
  for (let i = 0; i < 60; i++) {
    const { code, responses } = await client.unary('unaryCall').outcome;
    expect([code, (responses[0] as { payload: { body: Buffer } }).payload.body.length]).toEqual([0, 2000]);
  }
  expect(least).toBeGreaterThan(0);
  await expectNoCalls(weir);
});

it('passes compressed requests with their flag and encoding [client_compressed_unary]', async () => {
  const seen: Buffer[] = [];
  const { weir } = await startPair(whole, undefined, ({ type, payload }) => {
    if (type === DATA) seen.push(payload);
  });
  const packed = gzipSync(Buffer.alloc(10_000));
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(packed.length, 1);
  const sent = Buffer.concat([prefix, packed]);
  const session = connect(weir.url);
  const call = session.request({
    ':method': 'POST',
    ':path': '/example.TestService/UnaryCall',
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
    te: 'trailers',
  });
  call.resume();
  call.end(sent);
  await once(call, 'close');
  // The health check has a message of its own.
  const bodies = Buffer.concat(seen);
  expect(bodies.subarray(bodies.length - sent.length)).toEqual(sent);
  session.destroy();
  await expectNoCalls(weir);
});
