// Compares gRPC on both implementations of HTTP/2: the same calls to the same replica give clients and operators the
// same metadata, messages, statuses and records.
import type { Metadata } from '@grpc/grpc-js';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeH2, startH2Replica, type H2Replica } from '../kit/h2.ts';
import { startWith, type Http2Library } from '../kit/http2-library.ts';
import {
  closeGrpc,
  startGrpcReplica,
  TestClient,
  type GrpcReplica,
  type Message,
  type Outcome,
} from '../kit/test-service.ts';
import { stopAll, type Line, type Weir } from '../kit/weir.ts';

const LIBRARIES: readonly Http2Library[] = ['weir', 'node'];
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

afterAll(async () => {
  await stopAll();
  await closeGrpc();
  closeH2();
});

/** Metadata without what differs from call to call. */
const plain = (metadata: Metadata | undefined): Record<string, unknown> | undefined => {
  const map = metadata?.getMap();
  if (map === undefined) return undefined;
  return { ...map, 'x-baseten-request-id': undefined, date: undefined };
};

/** A record without its id and times. */
const timeless = (line: Line): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(line).filter(
      ([name]) => !/^(?:time|ts|request_id|replica_connected)$|_ms$|^duration|_at$/.test(name),
    ),
  );

describe('calls of @grpc/grpc-js', () => {
  let replica: GrpcReplica;
  const weirs = new Map<Http2Library, Weir>();

  beforeAll(async () => {
    replica = await startGrpcReplica();
    for (const library of LIBRARIES)
      weirs.set(library, await startWith(library)(['--replica', replica.url, '--proxy-max-body=1MiB']));
  });

  const body = (size: number) => ({ payload: { body: Buffer.alloc(size) } });
  const metadata = [
    ['x-grpc-test-echo-initial', 'a'],
    ['x-grpc-test-echo-initial', 'b'],
    ['x-grpc-test-echo-trailing-bin', Buffer.from([0, 255, 3])],
    ['x-baseten-request-id', 'forged'],
    ['x_forwarded_for', '9.9.9.9'],
    ['x-forwarded-for', '10.0.0.1'],
  ] as const;
  const calls: [string, (client: TestClient) => Promise<Outcome>][] = [
    ['an empty call', (client) => client.unary('emptyCall').outcome],
    [
      'metadata of all kinds',
      (client) => client.unary('unaryCall', { responseSize: 5 }, { metadata }).outcome,
    ],
    [
      'an error',
      (client) => client.unary('unaryCall', { responseStatus: { code: 9, message: 'ü%\n' } }).outcome,
    ],
    ['an unknown method', (client) => client.unary('unimplementedCall').outcome],
    [
      'a large message',
      (client) => client.unary('unaryCall', { responseSize: 300_000, ...body(300_000) }).outcome,
    ],
    ['a message that is too large', (client) => client.unary('unaryCall', body(2 * 1024 ** 2)).outcome],
    [
      'a stream of responses',
      (client) =>
        client.output({ responseParameters: [1, 100_000, 0, 70_000].map((size) => ({ size })) }).outcome,
    ],
    [
      'a stream of requests',
      (client) => {
        const { call, outcome } = client.input();
        for (const size of [1, 100_000, 0, 70_000]) call.write(body(size));
        call.end();
        return outcome;
      },
    ],
    [
      'both, with an error in the middle',
      async (client) => {
        const { call, outcome } = client.duplex();
        call.write({ responseParameters: [{ size: 7 }] });
        await once(call, 'data');
        call.write({ responseStatus: { code: 10, message: 'stop' } });
        return outcome;
      },
    ],
    [
      'an unknown environment',
      (client) => client.unary('emptyCall', {}, { metadata: [['x-baseten-environment', 'nowhere']] }).outcome,
    ],
  ];

  it.each(calls)('give the same: %s', async (_, make) => {
    const seen = [];
    for (const library of LIBRARIES) {
      const weir = weirs.get(library)!;
      const before = replica.seen.length;
      const { code, details, responses, initial, trailers, id } = await make(new TestClient(weir.port));
      const asked = replica.seen.slice(before).map((one) => ({ ...plain(one), 'x-request-id': undefined }));
      const sizes = responses.map((one: Message) => JSON.stringify(one).length);
      seen.push({
        client: { code, details, sizes, initial: plain(initial), trailers: plain(trailers) },
        replica: asked,
        record: timeless(await weir.expectExchange(id)),
      });
    }
    expect(seen[0]).toEqual(seen[1]);
  });
});

describe('responses of a replica', () => {
  let replica: H2Replica;
  let serve: (stream: ServerHttp2Stream) => void = () => undefined;
  const weirs = new Map<Http2Library, Weir>();

  beforeAll(async () => {
    replica = await startH2Replica((stream) => serve(stream));
    for (const library of LIBRARIES) weirs.set(library, await startWith(library)(['--replica', replica.url]));
  });

  const withTrailers = (
    stream: ServerHttp2Stream,
    trailers: Record<string, string | string[]>,
    ...pieces: Buffer[]
  ) => {
    stream.respond({ ...HEAD, 'x-initial': ['1', '2'] }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    for (const piece of pieces) stream.write(piece);
    stream.end();
  };
  const bytes = randomBytes(50_000);
  bytes.writeUInt32BE(49_995, 1);
  bytes[0] = 0;
  const responses: [string, (stream: ServerHttp2Stream) => void][] = [
    [
      'a status alone',
      (stream) => stream.respond({ ...HEAD, 'grpc-status': '7', 'grpc-message': 'no' }, { endStream: true }),
    ],
    ['a message', (stream) => withTrailers(stream, { 'grpc-status': '0', 'x-last': ['3', '4'] }, bytes)],
    ['no message', (stream) => withTrailers(stream, { 'grpc-status': '5' })],
    [
      'a message in pieces',
      (stream) => withTrailers(stream, { 'grpc-status': '0' }, bytes.subarray(0, 3), bytes.subarray(3)),
    ],
    ['no status', (stream) => withTrailers(stream, { 'x-other': '1' }, bytes)],
    [
      'HTTP 503',
      (stream) => stream.respond({ ':status': 503, 'content-type': 'text/html' }, { endStream: true }),
    ],
    [
      'a page',
      (stream) => stream.respond({ ':status': 200, 'content-type': 'text/html' }, { endStream: true }),
    ],
    ['a reset', (stream) => stream.close(2)],
    ['a cancel', (stream) => stream.close(8)],
  ];

  it.each(responses)('give the same: %s', async (_, its) => {
    serve = (stream) => {
      stream.resume();
      its(stream);
    };
    const seen = [];
    for (const library of LIBRARIES) {
      const weir = weirs.get(library)!;
      const session = connect(weir.url);
      const call = session.request({
        ':method': 'POST',
        ':path': '/x.Y/Z',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const heads: string[][] = [];
      let id = '';
      const note = (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
        const value = headers['x-baseten-request-id'];
        if (typeof value === 'string') id = value;
        heads.push(raw.filter((_text, i) => !['date', 'x-baseten-request-id'].includes(raw[i - (i % 2)]!)));
      };
      call.on('response', note);
      call.on('trailers', note as never);
      const pieces: Buffer[] = [];
      call.on('data', (piece: Buffer) => pieces.push(piece));
      call.end(Buffer.alloc(5));
      await once(call, 'close');
      session.destroy();
      const body = Buffer.concat(pieces);
      seen.push({
        heads,
        isSame: body.equals(bytes) || body.length === 0,
        size: body.length,
        record: timeless(await weir.expectExchange(id)),
      });
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]!.isSame).toBe(true);
  });
});
