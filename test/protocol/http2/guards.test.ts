// Floods against an HTTP/2 server: each ends the connection with GOAWAY(ENHANCE_YOUR_CALM) and a reason, and peers that
// are only busy or slow stay connected.
import { afterEach, describe, expect, it } from 'vitest';
import type { Http2Options } from '../../../src/protocol/http2/connection-options.ts';
import { ERROR_CODE, errorCodeName, type ConnectionProblem } from '../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../src/protocol/http2/frame-types.ts';
import { Http2HeldBytes } from '../../../src/protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../../src/protocol/http2/http2-counters.ts';
import { until } from '../../kit/until.ts';
import { closeEndpoints, echo, startServer, type Endpoint, type RecordedStream } from './kit/endpoints.ts';
import {
  block,
  data,
  frame,
  get,
  GET,
  headers,
  ping,
  post,
  RawPeer,
  rst,
  setting,
  settings,
  uint32,
  windowUpdate,
} from './kit/raw-peer.ts';

afterEach(closeEndpoints);

const SMALL = { controlBurst: 50, controlPerSecond: 0, resetBurst: 20, resetsPerSecond: 0 };

async function start(
  changed: Partial<Http2Options> = SMALL,
  serve: (stream: RecordedStream) => void = echo,
): Promise<{ server: Endpoint; peer: RawPeer; counters: Http2Counters }> {
  const counters = new Http2Counters();
  const server = await startServer(serve, { counters, ...changed });
  return { server, peer: await RawPeer.handshake(server.port), counters };
}

async function expectCalm(
  { server, peer, counters }: { server: Endpoint; peer: RawPeer; counters: Http2Counters },
  problem: ConnectionProblem,
): Promise<void> {
  await until('the connection closes', () => peer.isClosed);
  const code = peer.of(FRAME.goAway).at(-1)?.payload.readUInt32BE(4) ?? -1;
  expect(errorCodeName(code)).toBe('ENHANCE_YOUR_CALM');
  const [connection] = server.connections;
  expect(connection!.error?.problem).toBe(problem);
  expect(connection!.error?.message).not.toBe('');
  expect(connection!.timesGone).toBe(1);
  expect(counters.ended[problem]).toBe(1);
  expect(counters.connections).toBe(0);
  expect(counters.streams).toBe(0);
}

const times = (count: number, one: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => one(i)));

describe('frames that move nothing', () => {
  const floods: [string, (i: number) => Buffer][] = [
    ['SETTINGS', () => settings(setting(3, 100))],
    ['SETTINGS with ACK', () => frame(FRAME.settings, FLAG.ack, 0)],
    ['PING', () => ping()],
    ['PING with ACK', () => frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8))],
    ['PRIORITY', (i) => frame(FRAME.priority, 0, i * 2 + 1, [0, 0, 0, 0, 1])],
    ['unknown', () => frame(99, 0, 0)],
    ['empty DATA', () => data(1, [])],
    ['DATA of padding only', () => data(1, [2, 0, 0], FLAG.padded)],
    ['GOAWAY', () => frame(FRAME.goAway, 0, 0, Buffer.alloc(8))],
  ];
  it.each(floods)('%s end the connection', async (_name, one) => {
    const test = await start();
    test.peer.send(post(1), times(60, one));
    await expectCalm(test, 'control_frames');
  });

  it('cost more if a SETTINGS frame has many settings', async () => {
    const test = await start();
    const many = Array.from({ length: 320 }, () => setting(4, 1000));
    test.peer.send(settings(...many), settings(...many), settings(...many));
    await expectCalm(test, 'control_frames');
  });

  it('are allowed to a client that sends requests or data as well', async () => {
    const test = await start();
    for (let i = 0; i < 100; i++) test.peer.send(ping(), get(i * 2 + 1));
    test.peer.send(post(201));
    for (let i = 0; i < 100; i++) test.peer.send(ping(), data(201, Buffer.alloc(16_384)));
    await test.peer.sync();
    expect(test.peer.isClosed).toBe(false);
  });

  it('are allowed at a rate', async () => {
    const test = await start({ controlBurst: 50, controlPerSecond: 1_000_000 });
    for (let i = 0; i < 20; i++) {
      test.peer.send(times(40, () => ping()));
      await test.peer.sync();
    }
    expect(test.peer.isClosed).toBe(false);
  });
});

describe('resets', () => {
  it('of all streams end the connection (CVE-2023-44487)', async () => {
    const test = await start();
    test.peer.send(times(30, (i) => Buffer.concat([post(i * 2 + 1), rst(i * 2 + 1, ERROR_CODE.cancel)])));
    await expectCalm(test, 'resets');
  });

  it('that the client provokes by breaking rules end the connection (CVE-2025-8671)', async () => {
    const test = await start();
    test.peer.send(times(30, (i) => Buffer.concat([post(i * 2 + 1), windowUpdate(i * 2 + 1, 0)])));
    await expectCalm(test, 'resets');
  });

  it('by malformed requests end the connection', async () => {
    const test = await start();
    test.peer.send(times(30, (i) => get(i * 2 + 1, [['UPPER', 'case']])));
    await expectCalm(test, 'resets');
  });

  it('of streams that are refused end the connection', async () => {
    const test = await start({ ...SMALL, maxStreams: 1 });
    test.peer.send(times(30, (i) => post(i * 2 + 1)));
    await expectCalm(test, 'resets');
  });

  it('of some streams are allowed, however many there are', async () => {
    const test = await start();
    for (let i = 0; i < 200; i++) {
      const id = i * 6 + 1;
      test.peer.send(get(id), get(id + 2), post(id + 4), rst(id + 4, ERROR_CODE.cancel));
      if (i % 20 === 0) await test.peer.sync();
    }
    await test.peer.sync();
    expect(test.peer.isClosed).toBe(false);
    expect(test.counters.resetByPeer).toBe(200);
  });
});

describe('window updates', () => {
  it('that no data explains end the connection', async () => {
    const test = await start();
    test.peer.send(times(1100, () => windowUpdate(0, 1)));
    await expectCalm(test, 'window_updates');
  });

  it('of a slow reader are allowed', async () => {
    const test = await start();
    // The window is 65,535 bytes, which the reader gives back in pieces of 500 bytes.
    test.peer.send(post(1));
    const size = 1_000_000;
    for (let sent = 0; sent < size; sent += 10_000) test.peer.send(data(1, Buffer.alloc(10_000)));
    test.peer.send(data(1, [], FLAG.endStream));
    let returned = 0;
    await until('all is read', () => {
      const { length } = test.peer.body(1);
      for (; returned + 500 <= length; returned += 500)
        test.peer.send(windowUpdate(0, 500), windowUpdate(1, 500));
      return length === size;
    });
    expect(returned / 250).toBeGreaterThan(3000);
    expect(test.peer.isClosed).toBe(false);
  });
});

describe('header sections', () => {
  const HEAD = headers(0, 1, block(GET));
  const next = (payload: Buffer | number[]): Buffer => frame(FRAME.continuation, 0, 1, payload);

  it('in endless frames end the connection (CVE-2024-27983)', async () => {
    const test = await start();
    test.peer.send(
      HEAD,
      times(40, () => next([])),
    );
    await expectCalm(test, 'header_frames');
  });

  it('with endless bytes end the connection', async () => {
    const test = await start({ maxHeaderListBytes: 16_384 });
    test.peer.send(
      HEAD,
      times(6, () => next(block([['x', 'a'.repeat(16_000)]]))),
    );
    await expectCalm(test, 'header_frames');
  });

  it('that are too large are told to the listener, and the connection goes on', async () => {
    const test = await start({ maxHeaderListBytes: 1000 });
    test.peer.send(get(1, [['x', 'a'.repeat(2000)]]), get(3));
    await test.peer.sync();
    const [first, second] = test.server.connections[0]!.streams;
    expect(first!.blocks[0]!.isTooLarge).toBe(true);
    expect(second!.blocks[0]!.isTooLarge).toBe(false);
  });

  it('that are far too large end the connection', async () => {
    const test = await start({ maxHeaderListBytes: 1000 });
    // A reference of one byte to a field of 800 bytes.
    const bomb = Buffer.concat([
      block(GET),
      Buffer.from([0x40, 1, 120, 127, 0x81, 5]),
      Buffer.alloc(768, 97),
      Buffer.alloc(10, 0xbe),
    ]);
    test.peer.send(headers(FLAG.endHeaders | FLAG.endStream, 1, bomb));
    await until('the connection closes', () => test.peer.isClosed);
    expect(test.server.connections[0]!.error?.code).toBe(ERROR_CODE.enhanceYourCalm);
  });
});

describe('a peer that does not read', () => {
  it('loses the connection once too much waits for it', async () => {
    const test = await start({ maxUnreadBytes: 100_000, controlBurst: Infinity });
    const [connection] = test.server.connections;
    test.peer.socket.pause();
    const flood = times(10_000, () => ping());
    await until('the connection is gone', () => {
      test.peer.send(flood);
      return connection!.timesGone === 1;
    });
    expect(connection!.error?.problem).toBe('unread_output');
    expect(test.counters.ended.unread_output).toBe(1);
  });

  it('gets no more data than fits, and the rest waits in the streams', async () => {
    const test = await start({}, (recorded) => {
      const { stream } = recorded;
      if (stream.hasSentHead) return;
      stream.head().add(':status', '200').send(false);
      stream.write(Buffer.alloc(4_000_000), 0, 4_000_000, true);
    });
    test.peer.socket.pause();
    test.peer.send(
      settings(setting(4, 2 ** 30)),
      windowUpdate(0, 2 ** 30),
      times(10, (i) => get(i * 2 + 1)),
    );
    const [connection] = test.server.connections;
    await until('all requests came', () => connection!.streams.length === 10);
    expect(connection!.connection.output.isFull).toBe(true);
    expect(connection!.connection.socket.writableLength).toBeLessThan(4_000_000);
    const waiting = connection!.streams.reduce((sum, { stream }) => sum + stream.waiting, 0);
    expect(waiting).toBeGreaterThan(30_000_000);
    test.peer.socket.resume();
    await until('all came', () => connection!.streams.every(({ stream }) => !stream.isOpen));
    expect(connection!.streams.map(({ sent, stream }) => sent > 0 || stream.waiting === 0)).not.toContain(
      false,
    );
  });
});

describe('data that is not consumed', () => {
  it('stops at the window of the stream', async () => {
    const test = await start({ streamWindow: 100_000 }, (recorded) => (recorded.consumes = false));
    test.peer.send(get(1), post(3));
    await test.peer.sync();
    // The handler sets `consumes` with the first event.
    test.peer.send(times(7, () => data(3, Buffer.alloc(14_000))));
    await test.peer.sync();
    expect(test.peer.of(FRAME.windowUpdate, 3)).toEqual([]);
    test.peer.send(data(3, Buffer.alloc(14_000)));
    await until('the stream is reset', () => test.peer.of(FRAME.rstStream, 3).length === 1);
    expect(test.peer.of(FRAME.rstStream, 3)[0]!.payload).toEqual(uint32(ERROR_CODE.flowControlError));
    expect(test.server.connections[0]!.streams[1]!.resetCode).toBe(ERROR_CODE.flowControlError);
    expect(test.server.connections[0]!.connection.heldBytes).toBe(0);
  });

  it('is bounded over all streams by what all connections may hold', async () => {
    const heldBytes = new Http2HeldBytes(300_000);
    const test = await start(
      { streamWindow: 100_000, connectionWindow: 1_000_000, heldBytes },
      (recorded) => (recorded.consumes = false),
    );
    test.peer.send(times(20, (i) => post(i * 2 + 1)));
    await test.peer.sync();
    const sent: number[] = Array.from({ length: 20 }, () => 0);
    const credit = (): number =>
      65_535 +
      test.peer.of(FRAME.windowUpdate, 0).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
    let total = 0;
    // An obedient client that sends as much as it may.
    for (let i = 0; i < 400; i++) {
      const stream = i % 20;
      if (total + 4000 > credit() || sent[stream]! + 4000 > 100_000) continue;
      total += 4000;
      sent[stream]! += 4000;
      test.peer.send(data(stream * 2 + 1, Buffer.alloc(4000)));
      await test.peer.sync();
    }
    expect(test.peer.isClosed).toBe(false);
    expect(heldBytes.bytes).toBe(total);
    expect(total).toBeGreaterThan(200_000);
    expect(total).toBeLessThan(500_000);
    // When it is consumed, credit comes back.
    const before = credit();
    for (const recorded of test.server.connections[0]!.streams) recorded.stream.consumed(recorded.bytes);
    await test.peer.sync();
    expect(heldBytes.bytes).toBe(0);
    expect(credit()).toBeGreaterThan(before);
  });
});
