// The list of h2spec as raw frames, by section of RFC 9113, RFC 7541 and h2spec's own names: what is sent to an echo
// server, and what must come back.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODE, errorCodeName } from '../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../src/protocol/http2/frames.ts';
import { until } from '../../kit/until.ts';
import { closeEndpoints, echo, startServer, type Endpoint } from './kit/endpoints.ts';
import {
  block,
  data,
  frame,
  get,
  GET,
  headers,
  ping,
  post,
  PREFACE,
  RawPeer,
  rst,
  setting,
  settings,
  uint32,
  windowUpdate,
} from './kit/raw-peer.ts';

const { endHeaders, endStream, padded, priority, ack } = FLAG;
const ALL = endHeaders | endStream;
const { protocolError, flowControlError, streamClosed, frameSizeError, refusedStream, compressionError } =
  ERROR_CODE;
const HELLO = Buffer.from('hello');
const continuation = (flags: number, id: number, payload: Buffer | number[]): Buffer =>
  frame(FRAME.continuation, flags, id, payload);
const priorityFrame = (id: number, dependsOn: number, weight = 15): Buffer =>
  frame(FRAME.priority, 0, id, Buffer.concat([uint32(dependsOn), Buffer.from([weight])]));
const ended = (id: number): Buffer[] => [get(id)];
const without = (name: string): typeof GET => GET.filter(([one]) => one !== name);
/** A request with these fields, which must be refused as malformed. */
const request = (fields: typeof GET): Buffer => headers(ALL, 1, block(fields));
const whole = block(GET);
const cut = (from: number, to?: number): Buffer => whole.subarray(from, to);
const hpack = (...bytes: number[]): Buffer =>
  headers(ALL, 1, Buffer.concat([block(GET), Buffer.from(bytes)]));
const goAwayFrame = (id: number, code: number): Buffer =>
  frame(FRAME.goAway, 0, id, Buffer.concat([uint32(0), uint32(code)]));

/** `goAway`: the connection ends with this code. `reset`: only the stream ends. `answers`: streams that are answered. */
type Expected = { goAway: number } | { reset: [id: number, code: number] } | { answers: number[] };

interface Case {
  readonly section: string;
  readonly title: string;
  readonly send: Buffer[];
  readonly expected: Expected;
  /** The client sends neither preface nor SETTINGS before it. */
  readonly isBare?: boolean;
}

const list: Case[] = [];
const wants = (section: string, title: string, send: Buffer[], expected: Expected): number =>
  list.push({ section, title, send, expected });

const answers = (...ids: number[]): Expected => ({ answers: ids });
const goAway = (code: number): Expected => ({ goAway: code });
const reset = (id: number, code: number): Expected => ({ reset: [id, code] });

// ── h2spec generic: what must work ────────────────────────────────────────────────────────────────────────────────

wants('generic 2', 'PRIORITY on an idle stream', [priorityFrame(1, 0), get(1)], answers(1));
wants(
  'generic 2',
  'WINDOW_UPDATE on a half-closed (remote) stream',
  [...ended(1), windowUpdate(1, 100)],
  answers(1),
);
wants(
  'generic 2',
  'PRIORITY on a half-closed (remote) stream',
  [...ended(1), priorityFrame(1, 0)],
  answers(1),
);
wants('generic 2', 'RST_STREAM after the request', [post(1), rst(1, ERROR_CODE.cancel), get(3)], answers(3));
wants(
  'generic 2',
  'PRIORITY on a closed stream',
  [get(1), ping(), priorityFrame(1, 0), get(3)],
  answers(1, 3),
);
wants('generic 3.1', 'a DATA frame', [post(1), data(1, HELLO, endStream)], answers(1));
wants('generic 3.1', 'several DATA frames', [post(1), data(1, HELLO), data(1, HELLO, endStream)], answers(1));
wants(
  'generic 3.1',
  'a DATA frame with padding',
  [post(1), data(1, [3, ...HELLO, 0, 0, 0], padded | endStream)],
  answers(1),
);
wants('generic 3.2', 'a HEADERS frame', [get(1)], answers(1));
wants(
  'generic 3.2',
  'a HEADERS frame with padding',
  [headers(ALL | padded, 1, Buffer.concat([Buffer.from([2]), whole, Buffer.alloc(2)]))],
  answers(1),
);
wants(
  'generic 3.2',
  'a HEADERS frame with priority',
  [headers(ALL | priority, 1, Buffer.concat([uint32(0), Buffer.from([255]), whole]))],
  answers(1),
);
for (const [name, one] of [
  ['weight 1', priorityFrame(1, 0, 0)],
  ['weight 256', priorityFrame(1, 0, 255)],
  ['a dependency', priorityFrame(1, 3)],
  ['an exclusive dependency', priorityFrame(1, 0x8000_0003)],
] as const)
  wants('generic 3.3', `PRIORITY with ${name}`, [one, get(1)], answers(1));
wants('generic 3.4', 'RST_STREAM', [post(1), rst(1, ERROR_CODE.cancel), get(3)], answers(3));
wants('generic 3.5', 'SETTINGS', [settings(setting(3, 100)), get(1)], answers(1));
wants('generic 3.7', 'PING', [ping(), get(1)], answers(1));
wants('generic 3.9', 'WINDOW_UPDATE of the connection', [windowUpdate(0, 1), get(1)], answers(1));
wants(
  'generic 3.9',
  'WINDOW_UPDATE of a stream',
  [post(1), windowUpdate(1, 1), data(1, HELLO, endStream)],
  answers(1),
);
wants(
  'generic 3.10',
  'a CONTINUATION frame',
  [headers(endStream, 1, cut(0, 10)), continuation(endHeaders, 1, cut(10))],
  answers(1),
);
wants(
  'generic 3.10',
  'several CONTINUATION frames',
  [headers(endStream, 1, cut(0, 10)), continuation(0, 1, cut(10, 20)), continuation(endHeaders, 1, cut(20))],
  answers(1),
);
wants('generic 4', 'a GET request', [get(1)], answers(1));
wants('generic 4', 'a HEAD request', [request([[':method', 'HEAD'], ...without(':method')])], answers(1));
wants('generic 4', 'a POST request', [post(1), data(1, HELLO, endStream)], answers(1));
wants(
  'generic 4',
  'a POST request with trailers',
  [post(1), data(1, HELLO), headers(ALL, 1, block([['x-end', '1']]))],
  answers(1),
);
wants('generic 5', 'an indexed field', [headers(ALL, 1, [0x82, 0x86, 0x84])], answers(1));
wants(
  'generic 5',
  'a literal with indexing and an indexed name',
  [headers(ALL, 1, [0x82, 0x86, 0x84, 0x41, 1, 97])],
  answers(1),
);
wants(
  'generic 5',
  'a literal with indexing and a new name, referred to by the next stream',
  [headers(ALL, 1, [0x82, 0x86, 0x84, 0x40, 1, 97, 1, 98]), headers(ALL, 3, [0x82, 0x86, 0x84, 0xbe])],
  answers(1, 3),
);
wants(
  'generic 5',
  'literals without indexing',
  [headers(ALL, 1, [0x82, 0x86, 0x84, 1, 1, 97, 0, 1, 97, 1, 98])],
  answers(1),
);
wants(
  'generic 5',
  'literals never indexed',
  [headers(ALL, 1, [0x82, 0x86, 0x84, 0x11, 1, 97, 0x10, 1, 97, 1, 98])],
  answers(1),
);
wants('generic 5', 'a table size update', [headers(ALL, 1, [0x20, 0x82, 0x86, 0x84])], answers(1));
wants(
  'generic 5',
  'a Huffman coded literal',
  [
    headers(
      ALL,
      1,
      [0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
    ),
  ],
  answers(1),
);

// ── Connections and frames ────────────────────────────────────────────────────────────────────────────────────────

list.push(
  {
    section: '3.4',
    title: 'the preface and SETTINGS',
    send: [PREFACE, settings(), get(1)],
    expected: answers(1),
    isBare: true,
  },
  {
    section: '3.4',
    title: 'a wrong preface',
    send: [Buffer.from('INVALID CONNECTION PREFACE\r\n\r\n')],
    expected: goAway(protocolError),
    isBare: true,
  },
  {
    section: '3.4',
    title: 'another frame before SETTINGS',
    send: [PREFACE, ping()],
    expected: goAway(protocolError),
    isBare: true,
  },
  {
    section: '3.4',
    title: 'an ACK before SETTINGS',
    send: [PREFACE, frame(FRAME.settings, ack, 0)],
    expected: goAway(protocolError),
    isBare: true,
  },
);
wants('4.1', 'a frame of an unknown type', [frame(22, 0, 0, HELLO), get(1)], answers(1));
wants(
  '4.1',
  'a frame with undefined flags',
  [frame(FRAME.ping, 0xfe, 0, Buffer.alloc(8)), get(1)],
  answers(1),
);
wants(
  '4.1',
  'a frame with the reserved bit',
  [frame(FRAME.ping, 0, 0x8000_0000, Buffer.alloc(8)), get(1)],
  answers(1),
);
wants('4.2', 'DATA with 2^14 bytes', [post(1), data(1, Buffer.alloc(16_384), endStream)], answers(1));
wants(
  '4.2',
  'DATA above SETTINGS_MAX_FRAME_SIZE',
  [post(1), data(1, Buffer.alloc(16_385))],
  goAway(frameSizeError),
);
wants(
  '4.2',
  'HEADERS above SETTINGS_MAX_FRAME_SIZE',
  [headers(ALL, 1, Buffer.concat([whole, block([['x', 'a'.repeat(16_400)]])]))],
  goAway(frameSizeError),
);
wants('4.3', 'an invalid header block', [headers(ALL, 1, [0x40])], goAway(compressionError));
wants(
  '4.3',
  'PRIORITY within a header section',
  [headers(0, 1, whole), priorityFrame(1, 0)],
  goAway(protocolError),
);
wants(
  '4.3',
  'HEADERS of another stream within a header section',
  [headers(0, 1, whole), get(3)],
  goAway(protocolError),
);

// ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────

wants('5.1', 'idle: DATA', [data(1, HELLO, endStream)], goAway(protocolError));
wants('5.1', 'idle: RST_STREAM', [rst(1, ERROR_CODE.cancel)], goAway(protocolError));
wants('5.1', 'idle: WINDOW_UPDATE', [windowUpdate(1, 100)], goAway(protocolError));
wants('5.1', 'idle: CONTINUATION', [continuation(endHeaders, 1, whole)], goAway(protocolError));
// The answer ends the stream, so that it is closed, not half-closed: a blocked answer keeps it half-closed.
const blocked = settings(setting(4, 0));
const halfClosed = [blocked, post(1), data(1, HELLO, endStream)];
wants(
  '5.1',
  'half closed (remote): DATA',
  [...halfClosed, data(1, HELLO, endStream)],
  reset(1, streamClosed),
);
wants('5.1', 'half closed (remote): HEADERS', [...halfClosed, get(1)], reset(1, streamClosed));
wants(
  '5.1',
  'half closed (remote): CONTINUATION',
  [...halfClosed, continuation(endHeaders, 1, whole)],
  goAway(protocolError),
);
const aborted = [post(1), rst(1, ERROR_CODE.cancel)];
wants('5.1', 'closed by RST_STREAM: DATA', [...aborted, data(1, HELLO)], reset(1, streamClosed));
wants('5.1', 'closed by RST_STREAM: HEADERS', [...aborted, get(1)], reset(1, streamClosed));
wants(
  '5.1',
  'closed by RST_STREAM: CONTINUATION',
  [...aborted, continuation(endHeaders, 1, whole)],
  goAway(protocolError),
);
wants('5.1', 'closed: DATA', [get(1), data(1, HELLO)], reset(1, streamClosed));
wants('5.1', 'closed: HEADERS', [get(1), get(1)], goAway(streamClosed));
wants('5.1', 'closed: CONTINUATION', [get(1), continuation(endHeaders, 1, whole)], goAway(protocolError));
wants('5.1.1', 'an even stream id', [get(2)], goAway(protocolError));
wants('5.1.1', 'a smaller stream id', [get(5), get(3)], goAway(protocolError));
wants(
  '5.1.2',
  'more streams than SETTINGS_MAX_CONCURRENT_STREAMS',
  Array.from({ length: 129 }, (_, i) => post(i * 2 + 1)),
  reset(257, refusedStream),
);
wants(
  '5.3.1',
  'HEADERS of a stream that depends on itself',
  [headers(ALL | priority, 1, Buffer.concat([uint32(1), Buffer.from([255]), whole]))],
  reset(1, protocolError),
);
wants(
  '5.3.1',
  'PRIORITY of an idle stream that depends on itself',
  [priorityFrame(1, 1)],
  goAway(protocolError),
);
wants(
  '5.3.1',
  'PRIORITY of a stream that depends on itself',
  [post(1), priorityFrame(1, 1)],
  reset(1, protocolError),
);
wants('5.4.1', 'an invalid PING', [frame(FRAME.ping, 0, 0, [1, 2])], goAway(frameSizeError));
wants('5.5', 'an unknown frame', [frame(0xff, 0, 1, HELLO), get(1)], answers(1));
wants(
  '5.5',
  'an unknown frame within a header section',
  [headers(0, 1, whole), frame(0xff, 0, 1, HELLO)],
  goAway(protocolError),
);

// ── Each frame ────────────────────────────────────────────────────────────────────────────────────────────────────

wants('6.1', 'DATA on stream 0', [data(0, HELLO)], goAway(protocolError));
wants('6.1', 'DATA with a wrong padding', [post(1), data(1, [6, ...HELLO], padded)], goAway(protocolError));
wants('6.1', 'DATA with padding and no payload', [post(1), data(1, [], padded)], goAway(protocolError));
wants('6.2', 'HEADERS on stream 0', [get(0)], goAway(protocolError));
wants(
  '6.2',
  'HEADERS with a wrong padding',
  [headers(ALL | padded, 1, Buffer.concat([Buffer.from([255]), whole]))],
  goAway(protocolError),
);
wants('6.2', 'HEADERS with padding and no payload', [headers(ALL | padded, 1, [])], goAway(protocolError));
wants('6.2', 'HEADERS with half a priority', [headers(ALL | priority, 1, [0, 0])], goAway(frameSizeError));
wants('6.3', 'PRIORITY on stream 0', [priorityFrame(0, 1)], goAway(protocolError));
wants(
  '6.3',
  'PRIORITY with 4 bytes',
  [post(1), frame(FRAME.priority, 0, 1, uint32(0))],
  reset(1, frameSizeError),
);
wants('6.4', 'RST_STREAM on stream 0', [rst(0, ERROR_CODE.cancel)], goAway(protocolError));
wants(
  '6.4',
  'RST_STREAM with 3 bytes',
  [post(1), frame(FRAME.rstStream, 0, 1, [0, 0, 0])],
  goAway(frameSizeError),
);
wants(
  '6.5',
  'SETTINGS with ACK and a payload',
  [frame(FRAME.settings, ack, 0, setting(4, 1))],
  goAway(frameSizeError),
);
wants('6.5', 'SETTINGS on a stream', [frame(FRAME.settings, 0, 1, setting(4, 1))], goAway(protocolError));
wants('6.5', 'SETTINGS with 3 bytes', [frame(FRAME.settings, 0, 0, [0, 0, 0])], goAway(frameSizeError));
wants('6.5.2', 'SETTINGS_ENABLE_PUSH of 2', [settings(setting(2, 2))], goAway(protocolError));
wants(
  '6.5.2',
  'SETTINGS_INITIAL_WINDOW_SIZE of 2^31',
  [settings(setting(4, 2 ** 31))],
  goAway(flowControlError),
);
wants('6.5.2', 'SETTINGS_MAX_FRAME_SIZE below 2^14', [settings(setting(5, 16_383))], goAway(protocolError));
wants(
  '6.5.2',
  'SETTINGS_MAX_FRAME_SIZE above 2^24-1',
  [settings(setting(5, 2 ** 24))],
  goAway(protocolError),
);
wants('6.5.2', 'an unknown setting', [settings(setting(0xff, 1)), get(1)], answers(1));
wants('6.7', 'an unsolicited PING ACK', [frame(FRAME.ping, ack, 0, Buffer.alloc(8)), get(1)], answers(1));
wants('6.7', 'PING on a stream', [frame(FRAME.ping, 0, 1, Buffer.alloc(8))], goAway(protocolError));
wants('6.7', 'PING with 6 bytes', [frame(FRAME.ping, 0, 0, Buffer.alloc(6))], goAway(frameSizeError));
wants('6.8', 'GOAWAY on a stream', [goAwayFrame(1, 0)], goAway(protocolError));
wants('6.8', 'GOAWAY with 4 bytes', [frame(FRAME.goAway, 0, 0, uint32(0))], goAway(frameSizeError));
wants('6.9', 'WINDOW_UPDATE of the connection by 0', [windowUpdate(0, 0)], goAway(protocolError));
wants('6.9', 'WINDOW_UPDATE of a stream by 0', [post(1), windowUpdate(1, 0)], reset(1, protocolError));
wants(
  '6.9',
  'WINDOW_UPDATE with 3 bytes',
  [frame(FRAME.windowUpdate, 0, 0, [0, 0, 1])],
  goAway(frameSizeError),
);
wants(
  '6.9.1',
  'WINDOW_UPDATE of the connection above 2^31-1',
  [windowUpdate(0, 2 ** 31 - 1), windowUpdate(0, 2 ** 31 - 1)],
  goAway(flowControlError),
);
wants(
  '6.9.1',
  'WINDOW_UPDATE of a stream above 2^31-1',
  [post(1), windowUpdate(1, 2 ** 31 - 1), windowUpdate(1, 2 ** 31 - 1)],
  reset(1, flowControlError),
);
wants(
  '6.9.2',
  'SETTINGS that make the window of a stream larger than 2^31-1',
  [post(1), windowUpdate(1, 2 ** 31 - 1 - 65_535), settings(setting(4, 65_536))],
  goAway(flowControlError),
);
wants(
  '6.10',
  'a frame other than CONTINUATION within a header section',
  [headers(0, 1, cut(0, 10)), continuation(0, 1, cut(10)), data(1, HELLO)],
  goAway(protocolError),
);
wants(
  '6.10',
  'CONTINUATION on stream 0',
  [headers(0, 1, cut(0, 10)), continuation(endHeaders, 0, cut(10))],
  goAway(protocolError),
);
wants(
  '6.10',
  'CONTINUATION on another stream',
  [headers(0, 1, cut(0, 10)), continuation(endHeaders, 3, cut(10))],
  goAway(protocolError),
);
wants(
  '6.10',
  'CONTINUATION after END_HEADERS',
  [post(1), continuation(endHeaders, 1, whole)],
  goAway(protocolError),
);
wants(
  '6.10',
  'CONTINUATION after CONTINUATION with END_HEADERS',
  [headers(0, 1, cut(0, 10)), continuation(endHeaders, 1, cut(10)), continuation(0, 1, [])],
  goAway(protocolError),
);
wants(
  '6.10',
  'CONTINUATION after DATA',
  [post(1), data(1, HELLO), continuation(endHeaders, 1, whole)],
  goAway(protocolError),
);
wants('7', 'RST_STREAM with an unknown code', [post(1), rst(1, 0xff), get(3)], answers(3));

// ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────

wants('8.1', 'a second HEADERS frame without END_STREAM', [post(1), post(1)], reset(1, protocolError));
wants('8.2.1', 'a name in upper case', [request([...GET, ['X-TEST', 'ok']])], reset(1, protocolError));
wants('8.2.1', 'a value with a line end', [request([...GET, ['x', 'a\r\nb']])], reset(1, protocolError));
wants('8.2.1', 'a value with a space before it', [request([...GET, ['x', ' a']])], reset(1, protocolError));
wants(
  '8.2.2',
  'a field for one connection',
  [request([...GET, ['connection', 'keep-alive']])],
  reset(1, protocolError),
);
wants(
  '8.2.2',
  'transfer-encoding',
  [request([...GET, ['transfer-encoding', 'chunked']])],
  reset(1, protocolError),
);
wants(
  '8.2.2',
  'te with another value than trailers',
  [request([...GET, ['te', 'trailers, deflate']])],
  reset(1, protocolError),
);
wants('8.2.2', 'te with trailers', [request([...GET, ['te', 'trailers']])], answers(1));
wants('8.3', 'an unknown pseudo-header', [request([...GET, [':test', 'ok']])], reset(1, protocolError));
wants(
  '8.3',
  'a pseudo-header of responses',
  [request([...GET, [':status', '200']])],
  reset(1, protocolError),
);
wants(
  '8.3',
  'a pseudo-header in trailers',
  [post(1), headers(ALL, 1, block([[':method', 'GET']]))],
  reset(1, protocolError),
);
wants('8.3', 'a pseudo-header after a field', [request([['x', '1'], ...GET])], reset(1, protocolError));
wants('8.3.1', 'an empty :path', [request([...without(':path'), [':path', '']])], reset(1, protocolError));
for (const name of [':method', ':scheme', ':path']) {
  wants('8.3.1', `no ${name}`, [request(without(name))], reset(1, protocolError));
  const field = GET.find(([one]) => one === name)!;
  wants('8.3.1', `two ${name}`, [request([...GET, field])], reset(1, protocolError));
}
wants(
  '8.1.1',
  'less DATA than content-length',
  [post(1, [['content-length', '6']]), data(1, HELLO, endStream)],
  reset(1, protocolError),
);
wants(
  '8.1.1',
  'more DATA than content-length',
  [post(1, [['content-length', '4']]), data(1, HELLO, endStream)],
  reset(1, protocolError),
);
wants(
  '8.1.1',
  'other sums of DATA than content-length',
  [post(1, [['content-length', '9']]), data(1, HELLO), data(1, HELLO, endStream)],
  reset(1, protocolError),
);
wants('8.1.1', 'content-length and no DATA', [get(1, [['content-length', '5']])], reset(1, protocolError));
wants(
  '8.1.1',
  'DATA less than content-length before trailers',
  [post(1, [['content-length', '6']]), data(1, HELLO), headers(ALL, 1, block([['x', '1']]))],
  reset(1, protocolError),
);
wants(
  '8.4',
  'PUSH_PROMISE',
  [get(1), frame(FRAME.pushPromise, endHeaders, 1, Buffer.concat([uint32(2), whole]))],
  goAway(protocolError),
);
wants(
  '8.5',
  'CONNECT with :path',
  [request([[':method', 'CONNECT'], ...without(':method')])],
  reset(1, protocolError),
);

// ── HPACK ─────────────────────────────────────────────────────────────────────────────────────────────────────────

wants('HPACK 2.3.3', 'an index beyond the tables', [hpack(0xc6)], goAway(compressionError));
wants('HPACK 2.3.3', 'a name index beyond the tables', [hpack(0x7f, 0x0f, 1, 97)], goAway(compressionError));
wants('HPACK 4.2', 'a table size update at the end of a block', [hpack(0x21)], goAway(compressionError));
wants(
  'HPACK 5.2',
  'Huffman padding of more than 7 bits',
  [hpack(0, 1, 97, 0x82, 0x1f, 0xff)],
  goAway(compressionError),
);
wants('HPACK 5.2', 'Huffman padding of zeros', [hpack(0, 1, 97, 0x81, 0x18)], goAway(compressionError));
wants(
  'HPACK 5.2',
  'Huffman with EOS',
  [hpack(0, 1, 97, 0x84, 0xff, 0xff, 0xff, 0xff)],
  goAway(compressionError),
);
wants('HPACK 6.1', 'index 0', [hpack(0x80)], goAway(compressionError));
wants(
  'HPACK 6.3',
  'a table size above the setting',
  [headers(ALL, 1, [0x3f, 0xff, 0xff, 0x03, 0x82, 0x86, 0x84])],
  goAway(compressionError),
);

let server: Endpoint;
beforeAll(async () => {
  server = await startServer(echo);
});
afterAll(closeEndpoints);

describe('a server', () => {
  it.each(list)('$section: $title', async ({ send, expected, isBare = false }) => {
    const peer = isBare ? await RawPeer.connect(server.port) : await RawPeer.handshake(server.port);
    peer.send(...send);
    await expectOutcome(peer, expected);
  });

  it('3.4: begins with SETTINGS before the client has sent anything', async () => {
    const peer = await RawPeer.connect(server.port);
    await until('a frame comes', () => peer.frames.length > 0);
    expect(peer.frames[0]).toMatchObject({ type: FRAME.settings, flags: 0, id: 0 });
  });

  it('6.5.3: acknowledges SETTINGS and uses the last of repeated values', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(settings(setting(4, 100), setting(4, 1)), post(1), data(1, HELLO));
    await peer.sync();
    expect(peer.of(FRAME.settings).filter(({ flags }) => flags === ack)).toHaveLength(2);
    expect(peer.body(1).toString()).toBe('h');
  });

  it('6.7: answers a PING with its payload', async () => {
    const peer = await RawPeer.handshake(server.port);
    await peer.sync();
    expect(peer.of(FRAME.ping)[0]!.payload.toString()).toBe('00000000');
  });

  it('6.9.1: sends no more DATA than the window allows', async () => {
    const peer = await RawPeer.handshake(server.port, setting(4, 3));
    peer.send(post(1), data(1, HELLO, endStream));
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
    peer.send(post(1), data(1, HELLO, endStream));
    await peer.sync();
    expect(peer.body(1)).toHaveLength(0);
    peer.send(settings(setting(4, 1)));
    await until('a byte comes', () => peer.body(1).length === 1);
  });

  it('6.9.2: keeps track of a window that became negative', async () => {
    const peer = await RawPeer.handshake(server.port, setting(4, 3));
    peer.send(post(1), data(1, HELLO), data(1, HELLO, endStream));
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
    peer.send(data(1, HELLO, endStream));
    await until('the connection closes', () => peer.isClosed);
    expect(peer.body(1).toString()).toBe('hello');
  });

  it('7: ignores an unknown code in GOAWAY', async () => {
    const peer = await RawPeer.handshake(server.port);
    peer.send(post(1), goAwayFrame(0, 0xff), data(1, HELLO, endStream));
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
    const answered = (): boolean => peer.of(FRAME.headers, id).some(({ flags }) => (flags & endStream) !== 0);
    await until(`stream ${id} is answered`, answered);
  }
}
