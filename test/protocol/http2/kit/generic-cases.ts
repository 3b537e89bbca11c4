// What every HTTP/2 server must do right: the generic part of h2spec.
import { ERROR_CODE } from '../../../../src/protocol/http2/error-code.ts';
import { FLAG } from '../../../../src/protocol/http2/frame-types.ts';
import {
  ALL,
  HELLO,
  whole,
  cut,
  continuation,
  priorityFrame,
  request,
  answers,
  without,
  type ConformanceCase,
  type Expected,
} from './conformance.ts';
import {
  block,
  data,
  get,
  headers,
  ping,
  post,
  rst,
  setting,
  settings,
  uint32,
  windowUpdate,
} from './raw-peer.ts';

const { endHeaders, endStream, padded, priority } = FLAG;

export const GENERIC_CASES: ConformanceCase[] = [];
const wants = (section: string, title: string, send: Buffer[], expected: Expected): number =>
  GENERIC_CASES.push({ section, title, send, expected });

wants('generic 2', 'PRIORITY on an idle stream', [priorityFrame(1, 0), get(1)], answers(1));
wants(
  'generic 2',
  'WINDOW_UPDATE on a half-closed (remote) stream',
  [get(1), windowUpdate(1, 100)],
  answers(1),
);
wants('generic 2', 'PRIORITY on a half-closed (remote) stream', [get(1), priorityFrame(1, 0)], answers(1));
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
