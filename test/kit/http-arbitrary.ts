// Requests and responses for property tests: mostly ordinary, partly unusual, partly malformed.
import fc from 'fast-check';

/** Mostly one of `usual`, sometimes one of `odd`. */
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 24, arbitrary: usual }, { weight: 1, arbitrary: odd });

const method = mostly(
  fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'),
  fc.constantFrom('QUERY', 'get', 'CONNECT', ''),
);
const target = mostly(
  fc.oneof(
    fc.constantFrom('/', '/v1/chat/completions', '/a?b=c&d=%20', '/production/predict', '//x'),
    fc.stringMatching(/^\/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,12}$/),
  ),
  fc.oneof(
    fc.constantFrom('*', 'http://h/x', '/ü', '/a b', '/#f', '/\\', ''),
    fc.string({ maxLength: 12 }).map((text) => `/${text}`),
  ),
);
const version = mostly(
  fc.constant('HTTP/1.1'),
  fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', ''),
);

const name = mostly(
  fc.constantFrom(
    'X-A',
    'Accept',
    'Cookie',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'Keep-Alive',
    'Authorization',
  ),
  fc.oneof(
    fc.constantFrom(
      'TE',
      'Trailer',
      'Forwarded',
      'traceparent',
      'X-Baseten-Request-Id',
      'Expect',
      'Upgrade',
      'transfer_encoding',
    ),
    fc.string({ minLength: 1, maxLength: 6 }),
  ),
);
const value = mostly(
  fc.oneof(
    fc.constantFrom('', '1', 'a, b', ' padded\t', 'ü', 'trailers'),
    fc.stringMatching(/^[ -~]{0,10}$/),
  ),
  fc.oneof(fc.constantFrom('100-continue', 'websocket'), fc.string({ unit: 'binary', maxLength: 6 })),
);
const separator = mostly(fc.constantFrom(': ', ':', ':\t'), fc.constantFrom(' : ', '', ':\r\n '));
const lineEnd = mostly(fc.constant('\r\n'), fc.constantFrom('\n', '\r', '\r\r\n', '\r\n '));
const field = fc.tuple(name, separator, value, lineEnd).map((parts) => parts.join(''));

const host = fc.oneof(
  { weight: 30, arbitrary: fc.constant('Host: h\r\n') },
  fc.constantFrom('', 'Host:\r\n', 'Host: a\r\nHost: b\r\n', 'HOST: h:80\r\n'),
);
const connection = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  fc.constantFrom(
    'Connection: keep-alive\r\n',
    'Connection: close\r\n',
    'Connection: x-a\r\n',
    'Connection: Close\r\nConnection: close\r\n',
  ),
);

/** A body and the header that frames it, mostly consistent. */
const payload = fc.string({ maxLength: 20 }).map((text) => Buffer.from(text).toString('latin1'));
const chunk = fc.oneof(
  {
    weight: 12,
    arbitrary: payload
      .filter((text) => text.length > 0)
      .map((text) => `${text.length.toString(16)}\r\n${text}\r\n`),
  },
  fc.constantFrom(
    '5;ext=1\r\nhello\r\n',
    '05\r\nhello\r\n',
    '5\nhello\n',
    '5 \r\nhello\r\n',
    '0x5\r\nhello\r\n',
    '-1\r\n',
    '6\r\nhello\r\n',
  ),
);
const lastChunk = fc.oneof(
  { weight: 9, arbitrary: fc.constant('0\r\n\r\n') },
  fc.constantFrom('0\r\nX-T: 1\r\n\r\n', '0\r\nHost: evil\r\n\r\n', '00\r\n\r\n', '0\r\n\n', '0\r\n', ''),
);
const framed = fc.oneof(
  fc.constant(['', '']),
  payload.map((text) => [`Content-Length: ${text.length}\r\n`, text]),
  fc
    .tuple(fc.array(chunk, { maxLength: 3 }), lastChunk)
    .map(([chunks, last]) => ['Transfer-Encoding: chunked\r\n', chunks.join('') + last]),
  fc.constantFrom(
    ['Content-Length: +5\r\n', 'hello'],
    ['Content-Length: 5, 5\r\n', 'hello'],
    ['Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'],
    ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'],
    ['Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'],
    ['Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'],
    ['Transfer-Encoding: Chunked\r\n', '0\r\n\r\n'],
    ['Transfer-Encoding : chunked\r\n', '0\r\n\r\n'],
    ['Content-Length: 99999999999999999999\r\n', ''],
    ['Content-Length:\r\n', ''],
  ),
);

/** One request as bytes (latin1). */
export const requestText = fc
  .tuple(
    method,
    target,
    version,
    lineEnd,
    host,
    fc.array(field, { maxLength: 4 }),
    framed,
    connection,
    fc.array(field, { maxLength: 2 }),
  )
  .map(
    ([m, t, v, end, h, before, [frame, body], c, after]) =>
      `${m} ${t} ${v}${end}${h}${before.join('')}${frame}${c}${after.join('')}\r\n${body}`,
  );

/** An ordinary request for the fast lane, as its parts. */
export const plainRequest = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'),
    target: fc.constantFrom(
      '/',
      '/x?y=z',
      '/v1/chat/completions',
      '/production/predict',
      '/sync/a',
      '/unknown/%41',
    ),
    headers: fc.array(
      fc.tuple(
        fc.constantFrom(
          'Accept',
          'X-A',
          'x-a',
          'Cookie',
          'X-Forwarded-For',
          'Authorization',
          'Forwarded',
          'TE',
          'X-Forwarded-Proto',
        ),
        fc.constantFrom('1', 'a, b', '', 'trailers'),
      ),
      { maxLength: 4 },
    ),
    body: fc.oneof(fc.constant(undefined), fc.string({ maxLength: 300 })),
    isChunked: fc.boolean(),
    keepAlive: fc.boolean(),
  })
  .map((r) => ({ ...r, body: r.body === undefined ? undefined : Buffer.from(r.body) }));

const status = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('200 OK', '404 Not Found', '500 x', '204 No Content', '304 x') },
  fc.constantFrom('200', '200 ', '99 x', '1000 x', 'abc x', '100 Continue', '2OO OK'),
);

/** One response as bytes (latin1). */
export const responseText = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.constant('HTTP/1.1') },
      fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'ICY', 'http/1.1'),
    ),
    status,
    lineEnd,
    fc.array(field, { maxLength: 3 }),
    framed,
    connection,
  )
  .map(([v, s, end, fields, [frame, body], c]) => `${v} ${s}${end}${fields.join('')}${frame}${c}\r\n${body}`);
