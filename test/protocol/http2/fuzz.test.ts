// Random sequences of frames in both roles: how they are cut does not matter, mutated bytes never throw or leave anything
// open, and valid ones are answered as by Node's HTTP/2.
import fc from 'fast-check';
import { once } from 'node:events';
import { createServer as createH2, type Http2Server } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Http2Connection } from '../../../src/protocol/http2/connection.ts';
import type { Http2Options } from '../../../src/protocol/http2/connection-options.ts';
import { FLAG, FRAME, PREFACE } from '../../../src/protocol/http2/frame-types.ts';
import { Http2HeldBytes } from '../../../src/protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../../src/protocol/http2/http2-counters.ts';
import { Decoder } from '../../../src/protocol/http2/hpack/decoder.ts';
import { until } from '../../kit/until.ts';
import {
  closeEndpoints,
  echo,
  optionsFor,
  RecordedConnection,
  RecordedStream,
  startServer,
} from './kit/endpoints.ts';
import { MemorySocket } from './kit/memory-socket.ts';
import {
  block,
  data,
  frame,
  GET,
  headers,
  POST,
  RawPeer,
  readFrames,
  setting,
  settings,
  uint32,
  windowUpdate,
  type ReceivedFrame,
} from './kit/raw-peer.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 300);
const ALL = FLAG.endHeaders | FLAG.endStream;

afterEach(closeEndpoints);

// ── What is sent ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Frames that a server must take, or may refuse, on a few streams. */
const id = fc.constantFrom(0, 1, 2, 3, 5, 7, 9, 2 ** 31 - 1);
const bytes = fc.uint8Array({ maxLength: 40 }).map((one) => Buffer.from(one));
const flags = fc.constantFrom(0, 1, 4, 5, 8, 9, 12, 13, 32, 37, 255);
const sentBlock = fc.constantFrom(
  block(GET),
  block(POST),
  block([...POST, ['content-length', '5']]),
  block([['x-end', '1']]),
  block([[':status', '200']]),
  block([[':status', '103']]),
  Buffer.from([0x82, 0x86, 0x84]),
  Buffer.concat([block(GET), Buffer.from([0x40, 1, 97, 1, 98])]),
);
const wildFrame = fc.oneof(
  fc.tuple(flags, id, sentBlock).map(([flag, one, its]) => headers(flag, one, its)),
  fc.tuple(flags, id, bytes).map(([flag, one, payload]) => data(one, payload, flag)),
  fc.tuple(fc.nat(12), flags, id, bytes).map(([type, flag, one, payload]) => frame(type, flag, one, payload)),
  fc.tuple(id, fc.nat()).map(([one, by]) => windowUpdate(one, by)),
  fc.tuple(id, fc.nat(14)).map(([one, code]) => frame(FRAME.rstStream, 0, one, uint32(code))),
  fc.tuple(fc.nat(9), fc.nat()).map(([one, value]) => settings(setting(one, value))),
  fc.constant(frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  fc
    .tuple(id, fc.nat(14))
    .map(([one, code]) => frame(FRAME.goAway, 0, 0, Buffer.concat([uint32(one), uint32(code)]))),
);
const wild = fc.array(wildFrame, { maxLength: 12 }).map((list) => Buffer.concat(list));
const mutated = fc
  .tuple(wild, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
  .map(([sent, changes]) => {
    const copy = Buffer.from(sent);
    for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });

// ── A connection without a network ────────────────────────────────────────────────────────────────────────────────

interface Outcome {
  readonly frames: ReceivedFrame[];
  readonly streams: RecordedStream[];
  readonly recorded: RecordedConnection;
}

/** What a connection does with bytes that it reads in pieces of `size`. */
async function outcomeOf(role: 'server' | 'client', sent: Buffer, size: number): Promise<Outcome> {
  const heldBytes = new Http2HeldBytes(1_000_000);
  const counters = new Http2Counters();
  const options: Http2Options = optionsFor(role, { heldBytes, counters, streamWindow: 65_535 });
  const socket = new MemorySocket();
  const recorded = new RecordedConnection(echo);
  const connection = (recorded.connection = new Http2Connection(socket.socket, options, recorded));
  const streams = recorded.streams;
  const requests = role === 'client' ? 3 : 0;
  for (let i = 0; i < requests; i++) {
    const stream = new RecordedStream();
    streams.push(stream);
    stream.stream = connection.openStream(stream);
    stream.stream
      .head()
      .add(':method', 'POST')
      .add(':scheme', 'http')
      .add(':path', '/')
      .send(i === 0);
  }
  // Always the same memory, as with a shared read buffer.
  const shared = Buffer.alloc(size);
  for (let at = 0; at < sent.length; at += size) {
    const count = sent.copy(shared, 0, at);
    connection.read(shared, 0, count);
    shared.fill(0xee);
  }
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const { frames, rest } = readFrames(socket.output.subarray(role === 'client' ? PREFACE.length : 0));
  expect(rest).toHaveLength(0);
  connection.destroy();
  socket.destroy();
  expectClean(recorded, heldBytes, counters);
  return { frames, streams, recorded };
}

/** Every stream has ended for its listener exactly once, and nothing is counted any more. */
function expectClean(recorded: RecordedConnection, heldBytes: Http2HeldBytes, counters: Http2Counters): void {
  expect(recorded.timesGone).toBe(1);
  for (const stream of recorded.streams) {
    expect(stream.lateEvents).toBe(0);
    expect(stream.stream.isOpen).toBe(false);
    const hasEnded = stream.isEnd && stream.stream.hasEnded;
    expect(hasEnded || stream.resetCode !== -1).toBe(true);
  }
  expect({ held: heldBytes.bytes, streams: counters.streams, connections: counters.connections }).toEqual({
    held: 0,
    streams: 0,
    connections: 0,
  });
}

/** An outcome, but for how DATA is divided. */
function summary({ frames, streams, recorded }: Outcome): unknown {
  const decoder = new Decoder(1_000_000);
  return {
    error: recorded.error?.message,
    control: frames
      .filter(({ type }) => type !== FRAME.data && type !== FRAME.headers)
      .map((one) => [one.type, one.flags, one.id, one.payload.toString('hex')]),
    heads: frames
      .filter(({ type }) => type === FRAME.headers)
      .map((one) => [one.id, one.flags, decoder.decode(one.payload, 0, one.payload.length).raw()]),
    data: bodies(frames),
    streams: streams.map(({ blocks, body, isEnd, resetCode }) => [
      blocks.length,
      body.toString('hex'),
      isEnd,
      resetCode,
    ]),
  };
}

const bodies = (frames: ReceivedFrame[]): Record<number, string> => {
  const all: Record<number, string> = {};
  for (const { type, id, payload } of frames)
    if (type === FRAME.data) all[id] = (all[id] ?? '') + payload.toString('hex');
  return all;
};

const HELLO = Buffer.concat([settings(), frame(FRAME.settings, FLAG.ack, 0)]);

describe.each(['server', 'client'] as const)('a %s', (role) => {
  const begin = role === 'server' ? Buffer.concat([PREFACE, HELLO]) : HELLO;

  it('does the same however the bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(wild, fc.integer({ min: 1, max: 30 }), async (sent, size) => {
        const all = Buffer.concat([begin, sent]);
        const whole = summary(await outcomeOf(role, all, all.length));
        expect(summary(await outcomeOf(role, all, size))).toEqual(whole);
        expect(summary(await outcomeOf(role, all, 1))).toEqual(whole);
      }),
      { numRuns: RUNS },
    );
  });

  it('does the same for a long exchange that is cut at every offset', async () => {
    const exchange =
      role === 'server'
        ? [
            headers(FLAG.endHeaders, 1, block(POST)),
            data(1, Buffer.from('hello')),
            settings(setting(4, 70_000)),
            data(1, [2, 1, 0, 0], FLAG.padded | FLAG.endStream),
            headers(0, 3, block(GET).subarray(0, 9)),
            frame(FRAME.continuation, FLAG.endHeaders, 3, block(GET).subarray(9)),
            headers(ALL, 3, block([['x', '1']])),
          ]
        : [
            headers(FLAG.endHeaders, 1, block([[':status', '103']])),
            headers(0, 1, block([[':status', '200']])),
            frame(FRAME.continuation, FLAG.endHeaders, 1),
            data(1, Buffer.from('hello'), FLAG.endStream),
            frame(FRAME.rstStream, 0, 3, uint32(7)),
            headers(
              FLAG.endHeaders | FLAG.padded,
              5,
              Buffer.concat([Buffer.from([1]), block([[':status', '200']]), Buffer.from([0])]),
            ),
            data(5, Buffer.from('bye')),
          ];
    const all = Buffer.concat([begin, ...exchange]);
    const whole = summary(await outcomeOf(role, all, all.length));
    for (let at = 1; at < all.length; at++) expect(summary(await outcomeOf(role, all, at))).toEqual(whole);
    expect(JSON.stringify(whole)).toContain(Buffer.from('hello').toString('hex'));
  });

  it('never throws, and leaves nothing open, for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, fc.integer({ min: 1, max: 100 }), async (sent, size) => {
        await outcomeOf(role, Buffer.concat([begin, sent]), size);
      }),
      { numRuns: RUNS * 2 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (sent) => {
        await outcomeOf(role, Buffer.from(sent), 50);
        await outcomeOf(role, Buffer.concat([begin, sent]), 50);
      }),
      { numRuns: RUNS },
    );
  });
});

// ── Node's HTTP/2 as the oracle ───────────────────────────────────────────────────────────────────────────────────

interface Upload {
  readonly path: string;
  readonly pieces: readonly { readonly size: number; readonly padding: number }[];
  readonly hasTrailers: boolean;
  readonly isHeadCut: boolean;
}
const upload: fc.Arbitrary<Upload> = fc.record({
  path: fc.constantFrom('/a', '/b?c', `/${'long'.repeat(60)}`),
  pieces: fc.array(fc.record({ size: fc.nat(20_000), padding: fc.nat(255) }), { maxLength: 5 }),
  hasTrailers: fc.boolean(),
  isHeadCut: fc.boolean(),
});

/** The frames of each upload, in their order. */
function framesOf({ path, pieces, hasTrailers, isHeadCut }: Upload, stream: number): Buffer[] {
  const head = block([...POST.filter(([name]) => name !== ':path'), [':path', path]]);
  const cut = isHeadCut ? 7 : head.length;
  const list = [headers(isHeadCut ? 0 : FLAG.endHeaders, stream, head.subarray(0, cut))];
  // A section must not be interrupted.
  if (isHeadCut)
    list[0] = Buffer.concat([
      list[0]!,
      frame(FRAME.continuation, FLAG.endHeaders, stream, head.subarray(cut)),
    ]);
  for (const { size, padding } of pieces) {
    const payload = Buffer.alloc(Math.min(size, 16_000), size % 251);
    if (padding === 0) list.push(data(stream, payload));
    else
      list.push(
        data(stream, Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]), FLAG.padded),
      );
  }
  list.push(hasTrailers ? headers(ALL, stream, block([['x-t', '1']])) : data(stream, [], FLAG.endStream));
  return list;
}

describe('an echo server', () => {
  let node: Http2Server;
  beforeAll(async () => {
    node = createH2();
    node.on('stream', (stream, head) => {
      let size = 0;
      stream.respond({ ':status': 200, 'x-path': head[':path'] }, { waitForTrailers: true });
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length;
        stream.write(chunk);
      });
      stream.on('end', () => stream.end());
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-bytes': String(size) }));
      stream.on('error', () => undefined);
    });
    node.listen(0, '127.0.0.1');
    await once(node, 'listening');
  });
  afterAll(() => node.close());

  /** What the streams get: status, path, body, trailer. */
  async function answersOf(port: number, sent: Buffer, count: number): Promise<unknown> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const peer = new RawPeer(socket);
    peer.send(PREFACE, settings(setting(4, 2 ** 20)), windowUpdate(0, 2 ** 24), sent);
    const isAnswered = (one: number): boolean =>
      peer.frames.some((its) => its.id === one && (its.flags & FLAG.endStream) !== 0 && its.type < 2);
    await until('all are answered', () =>
      Array.from({ length: count }, (_, i) => isAnswered(i * 2 + 1)).every(Boolean),
    );
    const decoder = new Decoder(100_000);
    const seen = peer.of(FRAME.headers).map((its) => {
      const its_ = decoder.decode(its.payload, 0, its.payload.length);
      return [its.id, its_.status, its_.value('x-path'), its_.value('x-bytes')].join(' ');
    });
    socket.destroy();
    return { heads: seen.sort(), bodies: bodies(peer.frames) };
  }

  it('answers valid uploads as Node’s does', async () => {
    const { port } = await startServer(echo);
    await fc.assert(
      fc.asyncProperty(
        fc.array(upload, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        async (list, order) => {
          const left = list.map((one, i) => framesOf(one, i * 2 + 1));
          const sent: Buffer[] = left.map((frames) => frames.shift()!);
          for (const pick of order) {
            const open = left.filter((frames) => frames.length > 0);
            if (open.length === 0) break;
            sent.push(open[pick % open.length]!.shift()!);
          }
          const all = Buffer.concat(sent);
          const its = await answersOf((node.address() as AddressInfo).port, all, list.length);
          expect(await answersOf(port, all, list.length)).toEqual(its);
        },
      ),
      { numRuns: Math.min(RUNS, 100) },
    );
  });
});
