// Time limits of HTTP/2 connections, and their graceful end in both roles.
import { afterEach, describe, expect, it } from 'vitest';
import type { Http2Options } from '../../../src/protocol/http2/connection-options.ts';
import { ERROR_CODE } from '../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME, PREFACE } from '../../../src/protocol/http2/frame-types.ts';
import { until } from '../../kit/until.ts';
import {
  closeEndpoints,
  connectClient,
  echo,
  RecordedStream,
  startRawServer,
  startServer,
  type RecordedConnection,
} from './kit/endpoints.ts';
import { block, data, frame, get, headers, post, RawPeer, rst, settings, uint32 } from './kit/raw-peer.ts';

afterEach(closeEndpoints);

async function start(
  changed: Partial<Http2Options>,
): Promise<{ recorded: RecordedConnection; peer: RawPeer }> {
  const server = await startServer(echo, changed);
  const peer = await RawPeer.handshake(server.port);
  await peer.sync();
  return { recorded: server.connections[0]!, peer };
}

/** Sweeps as if `ms` had passed since the sweep before. */
function later({ connection }: RecordedConnection, ms: number): void {
  connection.sweep(performance.now());
  connection.sweep(performance.now() + ms);
}

const goAways = (peer: RawPeer): [lastId: number, code: number][] =>
  peer.of(FRAME.goAway).map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);

/** A client of weir's on a raw server. */
async function startClient(
  changed: Partial<Http2Options> = {},
): Promise<{ recorded: RecordedConnection; peer: RawPeer; request: () => RecordedStream }> {
  let peer: RawPeer | undefined;
  const port = await startRawServer((socket) => (peer = new RawPeer(socket, PREFACE.length)));
  const recorded = connectClient(port, changed);
  await until('the server is connected', () => peer !== undefined);
  peer!.send(settings(), frame(FRAME.settings, FLAG.ack, 0));
  await until('the client is ready', () => recorded.isReady);
  const request = (): RecordedStream => {
    const stream = new RecordedStream();
    stream.stream = recorded.connection.openStream(stream);
    stream.stream.head().add(':method', 'GET').add(':scheme', 'http').add(':path', '/').send(true);
    return stream;
  };
  return { recorded, peer: peer!, request };
}

const OK = block([[':status', '200']]);
const answer = (id: number): Buffer => headers(FLAG.endHeaders | FLAG.endStream, id, OK);
const goAway = (lastId: number, code: number, text = ''): Buffer =>
  frame(FRAME.goAway, 0, 0, Buffer.concat([uint32(lastId), uint32(code), Buffer.from(text)]));

describe('the first SETTINGS', () => {
  it('must come in time', async () => {
    const server = await startServer(echo, { settingsTimeoutMs: 5000 });
    const peer = await RawPeer.connect(server.port);
    await until('the connection is there', () => server.connections.length === 1);
    const [recorded] = server.connections;
    later(recorded!, 4000);
    expect(recorded!.timesGone).toBe(0);
    later(recorded!, 5100);
    expect(recorded!.error).toMatchObject({ problem: 'settings_timeout', code: ERROR_CODE.settingsTimeout });
    await until('the connection closes', () => peer.isClosed);
  });

  it('of this side must be acknowledged in time', async () => {
    const server = await startServer(echo, { settingsTimeoutMs: 5000 });
    const peer = await RawPeer.connect(server.port);
    peer.send(PREFACE, settings());
    await peer.sync();
    later(server.connections[0]!, 5100);
    expect(server.connections[0]!.error?.message).toMatch('did not acknowledge');
  });
});

describe('a silent peer', () => {
  it('is asked by PING while a stream is open, and stays if it answers', async () => {
    const { recorded, peer } = await start({ pingIntervalMs: 1000, pingTimeoutMs: 500 });
    peer.send(post(1));
    await peer.sync();
    const now = performance.now();
    recorded.connection.sweep(now);
    recorded.connection.sweep(now + 1100);
    await until('a PING comes', () => peer.of(FRAME.ping).some(({ flags }) => flags === 0));
    const ping = peer.of(FRAME.ping).find(({ flags }) => flags === 0)!;
    peer.send(frame(FRAME.ping, FLAG.ack, 0, ping.payload));
    await peer.sync();
    recorded.connection.sweep(now + 2000);
    expect(recorded.timesGone).toBe(0);
  });

  it('loses the connection if it does not answer', async () => {
    const { recorded, peer } = await start({ pingIntervalMs: 1000, pingTimeoutMs: 500 });
    peer.send(post(1));
    await peer.sync();
    const now = performance.now();
    for (const ms of [0, 1100, 1500]) recorded.connection.sweep(now + ms);
    expect(recorded.timesGone).toBe(0);
    recorded.connection.sweep(now + 1700);
    expect(recorded.error?.problem).toBe('ping_timeout');
    expect(recorded.streams[0]).toMatchObject({ isLost: true, lateEvents: 0 });
  });

  it('is not asked while no stream is open', async () => {
    const { recorded, peer } = await start({ pingIntervalMs: 1000, pingTimeoutMs: 500 });
    later(recorded, 60_000);
    await peer.sync();
    expect(peer.of(FRAME.ping).filter(({ flags }) => flags === 0)).toEqual([]);
  });
});

describe('a connection without streams', () => {
  it('ends after the idle time, whatever frames come', async () => {
    const { recorded, peer } = await start({ idleMs: 1000 });
    const now = performance.now();
    recorded.connection.sweep(now);
    await peer.sync();
    recorded.connection.sweep(now + 900);
    expect(recorded.connection.isLeaving).toBe(false);
    await peer.sync();
    recorded.connection.sweep(now + 1100);
    expect(recorded.connection.isLeaving).toBe(true);
    // A client that does not answer the PING has a second.
    recorded.connection.sweep(now + 3000);
    await until('the connection closes', () => peer.isClosed);
    expect(recorded).toMatchObject({ timesGone: 1, error: undefined });
  });

  it('counts the idle time from its last stream', async () => {
    const { recorded, peer } = await start({ idleMs: 1000 });
    const now = performance.now();
    recorded.connection.sweep(now);
    peer.send(get(1));
    await peer.sync();
    recorded.connection.sweep(now + 900);
    recorded.connection.sweep(now + 1800);
    expect(recorded.connection.isLeaving).toBe(false);
    recorded.connection.sweep(now + 2000);
    expect(recorded.connection.isLeaving).toBe(true);
  });

  it('does not end while a stream is open', async () => {
    const { recorded, peer } = await start({ idleMs: 1000 });
    peer.send(post(1));
    await peer.sync();
    later(recorded, 60_000);
    expect(recorded.connection.isLeaving).toBe(false);
  });
});

describe('a graceful end', () => {
  it('comes at the maximum age, about', async () => {
    const { recorded } = await start({ maxAgeMs: 100_000 });
    later(recorded, 89_000);
    expect(recorded.connection.isLeaving).toBe(false);
    later(recorded, 111_000);
    expect(recorded.connection.isLeaving).toBe(true);
  });

  it('of a server serves streams that were on the way, then says the last id (RFC 9113 6.8)', async () => {
    const { recorded, peer } = await start({});
    peer.send(post(1));
    await peer.sync();
    recorded.connection.goAway();
    recorded.connection.goAway();
    expect(recorded.timesLeaving).toBe(1);
    await until('GOAWAY comes', () => goAways(peer).length > 0);
    peer.send(get(3));
    await until('the late stream is answered', () => peer.of(FRAME.headers, 3).length === 2);
    const asked = peer.of(FRAME.ping).find(({ flags }) => flags === 0)!;
    peer.send(frame(FRAME.ping, FLAG.ack, 0, asked.payload));
    await until('the second GOAWAY comes', () => goAways(peer).length === 2);
    expect(goAways(peer)).toEqual([
      [2 ** 31 - 1, 0],
      [3, 0],
    ]);
    peer.send(post(5));
    await until('a later stream is refused', () => peer.of(FRAME.rstStream, 5).length === 1);
    expect(peer.of(FRAME.rstStream, 5)[0]!.payload).toEqual(uint32(ERROR_CODE.refusedStream));
    expect(peer.isClosed).toBe(false);
    peer.send(data(1, Buffer.from('end'), FLAG.endStream));
    await until('the connection closes', () => peer.isClosed);
    expect(peer.body(1).toString()).toBe('end');
    expect(recorded).toMatchObject({ timesGone: 1, error: undefined });
  });

  it('of a server is complete after a second if the client does not answer', async () => {
    const { recorded, peer } = await start({});
    recorded.connection.goAway();
    later(recorded, 1100);
    await until('the connection closes', () => peer.isClosed);
    expect(goAways(peer)).toHaveLength(2);
  });

  it('of a client waits for the answers to its streams', async () => {
    const { recorded, peer, request } = await startClient();
    const stream = request();
    recorded.connection.goAway();
    expect(recorded.connection.hasRoom).toBe(false);
    expect(() => recorded.connection.openStream(new RecordedStream())).toThrow('no stream may be opened');
    await until('GOAWAY comes', () => goAways(peer).length === 1);
    peer.send(answer(1));
    await until('the connection closes', () => peer.isClosed);
    expect(stream).toMatchObject({ isEnd: true, resetCode: -1, lateEvents: 0 });
    expect(recorded).toMatchObject({ timesGone: 1, error: undefined });
  });
});

describe('GOAWAY of a server', () => {
  it('refuses the streams that it has not seen, and lets the others end', async () => {
    const { recorded, peer, request } = await startClient();
    const [first, second] = [request(), request()];
    await until('both came', () => peer.of(FRAME.headers).length === 2);
    peer.send(goAway(1, 0));
    await until('the second is reset', () => second.resetCode !== -1);
    expect(second).toMatchObject({ resetCode: ERROR_CODE.refusedStream, isLost: false });
    expect(recorded.timesLeaving).toBe(1);
    expect(recorded.connection.hasRoom).toBe(false);
    peer.send(answer(1));
    await until('the connection closes', () => peer.isClosed);
    expect(first).toMatchObject({ isEnd: true, resetCode: -1 });
    expect(recorded.error).toBeUndefined();
  });

  it('with an error is why the connection ends', async () => {
    const { recorded, peer, request } = await startClient();
    const stream = request();
    await until('it came', () => peer.of(FRAME.headers).length === 1);
    peer.send(goAway(1, ERROR_CODE.enhanceYourCalm, 'too_many_pings'));
    peer.socket.end();
    await until('the stream is lost', () => stream.resetCode !== -1);
    expect(stream.isLost).toBe(true);
    expect(recorded.error).toMatchObject({ problem: 'goaway', code: ERROR_CODE.enhanceYourCalm });
    expect(recorded.error?.message).toMatch('ENHANCE_YOUR_CALM (too_many_pings)');
  });
});

describe('a client', () => {
  it('says that a server speaks HTTP/1.1', async () => {
    const port = await startRawServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const recorded = connectClient(port);
    await until('the connection is gone', () => recorded.timesGone === 1);
    expect(recorded.error?.message).toBe('the peer speaks HTTP/1.1, not HTTP/2');
  });

  it('is told when its connection is refused', async () => {
    const recorded = connectClient(1);
    const stream = new RecordedStream();
    recorded.connection.openStream(stream).head().add(':method', 'GET').send(true);
    await until('the connection is gone', () => recorded.timesGone === 1);
    expect(recorded.error).toMatchObject({ problem: 'socket' });
    expect(recorded.error?.message).toMatch('ECONNREFUSED');
    expect(stream).toMatchObject({ isLost: true, lateEvents: 0 });
  });

  it('ends gracefully when its stream ids are used up', async () => {
    const { recorded, request } = await startClient();
    recorded.connection.streams.skipTo(2 ** 31 - 3);
    request();
    expect(recorded.connection.hasRoom).toBe(true);
    const last = request();
    expect(last.stream.id).toBe(2 ** 31 - 1);
    expect(recorded.connection.hasRoom).toBe(false);
    expect(recorded.connection.isLeaving).toBe(true);
  });

  it('keeps to the number of streams that the server allows', async () => {
    const { recorded, peer, request } = await startClient();
    peer.send(settings(Buffer.from([0, 3, 0, 0, 0, 1])));
    await until('it is known', () => recorded.connection.peer.maxStreams === 1);
    request();
    expect(recorded.connection.hasRoom).toBe(false);
    peer.send(answer(1));
    await until('there is room again', () => recorded.connection.hasRoom);
  });

  it('refuses pushes and streams that a server opens', async () => {
    const { recorded, peer, request } = await startClient();
    request();
    peer.send(headers(FLAG.endHeaders, 2, OK));
    await until('the connection is gone', () => recorded.timesGone === 1);
    expect(recorded.error).toMatchObject({ problem: 'protocol', code: ERROR_CODE.protocolError });
  });

  it('gets interim heads, a head, data and trailers', async () => {
    const { peer, request } = await startClient();
    const stream = request();
    const more = FLAG.endHeaders;
    peer.send(
      headers(more, 1, block([[':status', '103']])),
      headers(more, 1, OK),
      data(1, Buffer.from('body')),
      headers(more | FLAG.endStream, 1, block([['x-end', '1']])),
    );
    await until('it has ended', () => stream.isEnd);
    expect(stream.blocks.map((one) => one.raw())).toEqual([
      [':status', '103'],
      [':status', '200'],
      ['x-end', '1'],
    ]);
    expect(stream.body.toString()).toBe('body');
  });

  it.each([
    ['DATA before the head', (): Buffer => data(1, Buffer.from('x'))],
    ['an interim head that ends the stream', (): Buffer => headers(5, 1, block([[':status', '100']]))],
    ['a head without :status', (): Buffer => headers(4, 1, block([['x', '1']]))],
    [
      'a head with :path',
      (): Buffer =>
        headers(
          4,
          1,
          block([
            [':status', '200'],
            [':path', '/'],
          ]),
        ),
    ],
    [
      'more DATA than content-length',
      (): Buffer =>
        Buffer.concat([
          headers(
            4,
            1,
            block([
              [':status', '200'],
              ['content-length', '1'],
            ]),
          ),
          data(1, Buffer.from('xx')),
        ]),
    ],
  ])('resets a stream with %s', async (_name, bytes) => {
    const { recorded, peer, request } = await startClient();
    const stream = request();
    peer.send(bytes());
    await until('it is reset', () => peer.of(FRAME.rstStream, 1).length === 1);
    expect(stream).toMatchObject({ resetCode: ERROR_CODE.protocolError, isLost: false, lateEvents: 0 });
    expect(recorded.timesGone).toBe(0);
  });

  it('takes a response to HEAD with a content-length and no data', async () => {
    const { peer, request } = await startClient();
    const stream = request();
    peer.send(
      headers(
        FLAG.endHeaders | FLAG.endStream,
        1,
        block([
          [':status', '200'],
          ['content-length', '10'],
        ]),
      ),
    );
    await until('it has ended', () => stream.isEnd);
    expect(stream.resetCode).toBe(-1);
  });

  it('passes the code of a reset', async () => {
    const { peer, request } = await startClient();
    const stream = request();
    peer.send(rst(1, ERROR_CODE.refusedStream));
    await until('it is reset', () => stream.resetCode !== -1);
    expect(stream).toMatchObject({ resetCode: ERROR_CODE.refusedStream, isLost: false });
  });
});
