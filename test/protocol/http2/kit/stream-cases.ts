// Wrong and odd bytes for connections, frames and the states of streams: RFC 9113 3 to 5.
import { ERROR_CODE } from '../../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../../src/protocol/http2/frame-types.ts';
import {
  ALL,
  HELLO,
  whole,
  continuation,
  priorityFrame,
  answers,
  goAway,
  reset,
  protocolError,
  streamClosed,
  frameSizeError,
  refusedStream,
  compressionError,
  type ConformanceCase,
  type Expected,
} from './conformance.ts';
import {
  block,
  data,
  frame,
  get,
  headers,
  ping,
  post,
  PREFACE,
  rst,
  setting,
  settings,
  uint32,
  windowUpdate,
} from './raw-peer.ts';

const { endHeaders, endStream, priority, ack } = FLAG;

export const STREAM_CASES: ConformanceCase[] = [];
const wants = (section: string, title: string, send: Buffer[], expected: Expected): number =>
  STREAM_CASES.push({ section, title, send, expected });

// ── Connections and frames ────────────────────────────────────────────────────────────────────────────────────────

STREAM_CASES.push(
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
