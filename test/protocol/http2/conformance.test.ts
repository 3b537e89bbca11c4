// The list of h2spec as raw frames, by section of RFC 9113, RFC 7541 and h2spec's own names: what is sent to an echo
// server, and what must come back.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODE, errorCodeName } from '../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../src/protocol/http2/frame-types.ts';
import { until } from '../../kit/until.ts';
import { ALL, goAwayFrame, HELLO, protocolError, whole, type Expected } from './kit/conformance.ts';
import { closeEndpoints, echo, startServer, type Endpoint } from './kit/endpoints.ts';
import { FRAME_CASES } from './kit/frame-cases.ts';
import { GENERIC_CASES } from './kit/generic-cases.ts';
import {
  block,
  data,
  get,
  GET,
  headers,
  post,
  RawPeer,
  setting,
  settings,
  windowUpdate,
} from './kit/raw-peer.ts';
import { STREAM_CASES } from './kit/stream-cases.ts';

let server: Endpoint;
beforeAll(async () => {
  server = await startServer(echo);
});
afterAll(closeEndpoints);

describe('a server', () => {
  it.each([...GENERIC_CASES, ...STREAM_CASES, ...FRAME_CASES])(
    '$section: $title',
    async ({ send, expected, isBare = false }) => {
      const peer = isBare ? await RawPeer.connect(server.port) : await RawPeer.handshake(server.port);
      peer.send(...send);
      await expectOutcome(peer, expected);
    },
  );

  it('3.4: begins with SETTINGS before the client has sent anything', async () => {
    const peer = await RawPeer.connect(server.port);
    await until('a frame comes', () => peer.frames.length > 0);
    expect(peer.frames[0]).toMatchObject({ type: FRAME.settings, flags: 0, id: 0 });
  });

  it('6.5.3: acknowledges SETTINGS and uses the last of repeated values', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(settings(setting(4, 100), setting(4, 1)), post(1), data(1, HELLO));
    await peer.sync();
    expect(peer.of(FRAME.settings).filter(({ flags }) => flags === FLAG.ack)).toHaveLength(2);
    expect(peer.body(1).toString()).toBe('h');
  });

  it('6.7: answers a PING with its payload', async () => {
    const peer = await RawPeer.handshake(server.port);
    await peer.sync();
    expect(peer.of(FRAME.ping)[0]!.payload.toString()).toBe('00000000');
  });

  it('6.9.1: sends no more DATA than the window allows', async () => {
    const peer = await RawPeer.handshake(server.port, setting(4, 3));
    peer.send(post(1), data(1, HELLO, FLAG.endStream));
    await peer.sync();
    expect(peer.body(1).toString()).toBe('hel');
    peer.send(windowUpdate(1, 1));
    await until('one more byte comes', () => peer.body(1).toString() === 'hell');
    peer.send(windowUpdate(1, 100));
    await until('the rest comes', () => peer.of(FRAME.headers, 1).length === 2);
    expect(peer.body(1).toString()).toBe('hello');
  });

  it('6.9.2: changes the windows of open streams with SETTINGS', async () => {
    const peer = await RawPeer.handshake(server.port, setting(4, 0));
    peer.send(post(1), data(1, HELLO, FLAG.endStream));
    await peer.sync();
    expect(peer.body(1)).toHaveLength(0);
    peer.send(settings(setting(4, 1)));
    await until('a byte comes', () => peer.body(1).length === 1);
  });

  it('6.9.2: keeps track of a window that became negative', async () => {
    const peer = await RawPeer.handshake(server.port, setting(4, 3));
    peer.send(post(1), data(1, HELLO), data(1, HELLO, FLAG.endStream));
    await peer.sync();
    expect(peer.body(1)).toHaveLength(3);
    peer.send(settings(setting(4, 0)), windowUpdate(1, 3));
    await peer.sync();
    expect(peer.body(1)).toHaveLength(3);
    peer.send(windowUpdate(1, 1));
    await until('a byte comes', () => peer.body(1).length === 4);
  });

  it('6.8: closes the connection after GOAWAY when the last stream has ended', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(post(1), goAwayFrame(0, 0));
    await peer.sync();
    expect(peer.isClosed).toBe(false);
    peer.send(data(1, HELLO, FLAG.endStream));
    await until('the connection closes', () => peer.isClosed);
    expect(peer.body(1).toString()).toBe('hello');
  });

  it('7: ignores an unknown code in GOAWAY', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(post(1), goAwayFrame(0, 0xff), data(1, HELLO, FLAG.endStream));
    await until('the connection closes', () => peer.isClosed);
    expect(peer.body(1).toString()).toBe('hello');
  });

  it('4.3: goes on to decode header blocks of streams that it refuses', async () => {
    const peer = await RawPeer.handshake(server.port);
    const indexed = Buffer.concat([block(GET), block([['X', '1']]), Buffer.from([0x40, 1, 97, 1, 98])]);
    peer.send(headers(ALL, 1, indexed));
    await expectOutcome(peer, { reset: [1, protocolError] });
    peer.send(headers(ALL, 3, Buffer.concat([whole, Buffer.from([0xbe])])));
    await until('the next stream is answered', () => peer.of(FRAME.headers, 3).length === 2);
    expect(server.connections.at(-1)!.streams.at(-1)!.blocks[0]!.value('a')).toBe('b');
  });

  it('5.1: ignores late frames on a stream that it has reset', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(post(1));
    await peer.sync();
    server.connections.at(-1)!.streams[0]!.stream.reset(ERROR_CODE.cancel);
    peer.send(data(1, HELLO), windowUpdate(1, 1), headers(ALL, 1, block([['x', '1']])), get(3));
    await until('the next stream is answered', () => peer.of(FRAME.headers, 3).length === 2);
    await expectOutcome(peer, { reset: [1, ERROR_CODE.cancel] });
  });
});

async function expectOutcome(peer: RawPeer, expected: Expected): Promise<void> {
  if ('goAway' in expected) {
    await until('the connection closes', () => peer.isClosed);
    const codes = peer.of(FRAME.goAway).map(({ payload }) => errorCodeName(payload.readUInt32BE(4)));
    expect(codes).toEqual([errorCodeName(expected.goAway)]);
    return;
  }
  await peer.sync();
  expect(peer.of(FRAME.goAway)).toEqual([]);
  const resets = peer
    .of(FRAME.rstStream)
    .map(({ id, payload }) => [id, errorCodeName(payload.readUInt32BE(0))]);
  if ('reset' in expected) {
    const [id, code] = expected.reset;
    expect(resets).toEqual([[id, errorCodeName(code)]]);
    return;
  }
  expect(resets).toEqual([]);
  for (const id of expected.answers) {
    const answered = (): boolean =>
      peer.of(FRAME.headers, id).some(({ flags }) => (flags & FLAG.endStream) !== 0);
    await until(`stream ${id} is answered`, answered);
  }
}
