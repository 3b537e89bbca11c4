// Wrong and odd frames of each type, messages and header blocks: RFC 9113 6 to 8, RFC 7541.
import { ERROR_CODE } from '../../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../../src/protocol/http2/frame-types.ts';
import {
  ALL,
  HELLO,
  whole,
  cut,
  continuation,
  priorityFrame,
  goAwayFrame,
  without,
  request,
  hpack,
  answers,
  goAway,
  reset,
  protocolError,
  flowControlError,
  frameSizeError,
  compressionError,
  type ConformanceCase,
  type Expected,
} from './conformance.ts';
import {
  block,
  data,
  frame,
  get,
  GET,
  headers,
  post,
  rst,
  setting,
  settings,
  uint32,
  windowUpdate,
} from './raw-peer.ts';

const { endHeaders, endStream, padded, priority, ack } = FLAG;

export const FRAME_CASES: ConformanceCase[] = [];
const wants = (section: string, title: string, send: Buffer[], expected: Expected): number =>
  FRAME_CASES.push({ section, title, send, expected });

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
