// Heads of requests and responses as latin1 text for property tests: mostly valid, sometimes unusual or invalid.
import fc from 'fast-check';

const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });

/** Splits a text into up to three pieces, none of them empty. */
export const cutAt = fc
  .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([a, b]) => (text: string): string[] => {
    const [first, second] = [a, b].map((part) => Math.floor(part * text.length)).sort((x, y) => x - y);
    return [text.slice(0, first), text.slice(first, second), text.slice(second)].filter(
      (piece) => piece !== '',
    );
  });

const value = fc.oneof(
  fc.constantFrom('1', 'a, b', '', 'caf\u00c3\u00a9', '\u00fc\u00ff\u0080', 'x\ty'),
  fc.stringMatching(/^[ -~\u0080-\u00ff]{0,8}$/),
);
const line = (names: fc.Arbitrary<string>) => fc.tuple(names, value).map(([n, v]) => `${n}: ${v}\r\n`);

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03';
const hosts = mostly(
  fc.constantFrom('h', 'model.example:8443', '[::1]:80', 'a%41', 'a_b', 'a:', ''),
  fc.constantFrom('a b', 'a, b', 'http://a/', 'a@b', 'a/b', '[::1', 'a"b', '%zz', '\u00fc', ':80', 'a:b', '[v1.x]'),
); // prettier-ignore

const requestLines = fc.array(
  fc.oneof(
    line(
      fc.constantFrom('X-A', 'x-a', 'Cookie', 'Content-Disposition', 'X-Forwarded-For', 'Forwarded', 'X-Forwarded-Host'),
    ),
    line(fc.constantFrom('X_Forwarded_For', 'x-forwarded_proto', 'X_BASETEN_REQUEST_ID', 'x_a', 'Server_Timing')),
    fc.constantFrom(
      'TE: trailers\r\n', `traceparent: ${valid}\r\n`, 'traceparent: junk\r\n', 'tracestate: a=1\r\n',
      'tracestate: b=2\r\n', 'Keep-Alive: timeout=1\r\n', 'Trailer: x-t\r\n', 'Proxy-Authorization: x\r\n',
    ),
  ),
  { maxLength: 5 },
); // prettier-ignore

/** A request that ends its connection, with an empty body. */
export const byteRequest = fc
  .tuple(
    mostly(fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS'), fc.constantFrom('QUERY', 'BREW', 'get', 'G@T')),
    mostly(fc.constantFrom('/', '/x?y=%20', '//a'), fc.constantFrom('http://a.example/x', 'http://a@b/x', '*', '/\u00fc')),
    mostly(fc.constant('HTTP/1.1'), fc.constantFrom('HTTP/1.0', 'HTTP/1.2')),
    mostly(hosts.map((host) => `Host: ${host}\r\n`), fc.constantFrom('', 'Host: a\r\nHost: a\r\n')),
    requestLines,
    mostly(fc.constantFrom('', 'Content-Length: 0\r\n'), fc.constantFrom('Transfer-Encoding: gzip, chunked\r\n'))
      .map((lines) => [lines, lines.startsWith('T') ? '0\r\n\r\n' : ''] as const),
  )
  .map(
    ([method, target, version, host, lines, [framing, body]]) =>
      `${method} ${target} ${version}\r\n${host}Connection: close\r\n${lines.join('')}${framing}\r\n${body}`,
  ); // prettier-ignore

const responseLines = fc.array(
  fc.oneof(
    line(fc.constantFrom('X-A', 'x-a', 'Set-Cookie', 'Content-Disposition', 'X-Model', 'Link')),
    line(fc.constantFrom('X_Baseten_Request_Id', 'X-Baseten-Request-Id', 'x_weir_cause', 'X_A')),
    fc.constantFrom('Connection: x-hop\r\n', 'X-Hop: 1\r\n', 'Keep-Alive: timeout=9\r\n', 'Trailer: x-t\r\n'),
  ),
  { maxLength: 4 },
);
const version = mostly(
  fc.constant('HTTP/1.1'),
  fc.constantFrom('HTTP/1.0', 'RTSP/1.0', 'ICE/1.0', 'HTTP/0.9', 'HTTP/2.0', 'http/1.1', 'ICY', 'HTTP/1.2'),
);
const reason = fc.constantFrom(' OK', ' ', '', ' caf\u00c3\u00a9', ' \u00fc', ' Short and stout');

const interim = fc
  .tuple(version, fc.constantFrom(100, 102, 103, 150, 199), reason, responseLines, fc.constantFrom('', 'Content-Length: 3\r\n'))
  .map(([v, status, text, lines, framing]) => `${v} ${status}${text}\r\n${lines.join('')}${framing}\r\n`); // prettier-ignore

const framings = mostly<readonly [lines: string, body: string]>(
  fc.constantFrom(
    ['Content-Length: 2\r\n', 'ok'], ['Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n'],
    ['Content-Length: 2\r\nContent-Length: 2\r\n', 'ok'], ['Content-Length: 2, 2\r\n', 'ok'],
  ),
  fc.constantFrom(
    ['Content-Length: 2\r\nContent-Length: 3\r\n', 'ok'], ['Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'],
    ['Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n'], ['Content-Length : 2\r\n', 'ok'],
    ['X: 1\r\n 2\r\nContent-Length: 2\r\n', 'ok'],
  ),
); // prettier-ignore

/** A response, with interim ones before it. `closes`: its connection ends after it. */
export const byteResponse = fc
  .tuple(
    fc.array(interim, { maxLength: 2 }),
    version,
    mostly(fc.constantFrom(200, 204, 304, 404, 500), fc.constantFrom(99, 101, 999)),
    reason,
    responseLines,
    framings,
    fc.boolean(),
  )
  .map(([before, v, status, text, lines, [framing, body], closes]) => {
    // A response without content ends with its head.
    const isEmpty = status === 204 || status === 304;
    const number = String(status).padStart(3, '0');
    return {
      text: `${before.join('')}${v} ${number}${text}\r\n${lines.join('')}${framing}\r\n${isEmpty ? '' : body}`,
      closes,
    };
  });
