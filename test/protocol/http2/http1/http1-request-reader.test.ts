// Requests in HTTP/1.1, read as the parts of HTTP/2 requests.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  Http1RequestReader,
  type RequestSink,
} from '../../../../src/protocol/http2/http1/http1-request-reader.ts';

/** What a reader gave, with the parts of the body joined. */
class Seen implements RequestSink {
  readonly requests: {
    method: string;
    path: string;
    authority: string;
    key: string | undefined;
    fields: string[];
  }[] = [];
  body = '';
  trailers: readonly string[] = [];
  ends = 0;

  onRequest(
    { method, path, authority, isWebSocket, webSocketKey, fields }: Parameters<RequestSink['onRequest']>[0],
    isEnd: boolean,
  ): void {
    const key = isWebSocket ? webSocketKey : undefined;
    this.requests.push({ method, path, authority, key, fields: fields.slice() });
    if (isEnd) this.ends++;
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.body += bytes.latin1Slice(from, to);
    if (isEnd) this.ends++;
  }

  onTrailers(fields: readonly string[]): void {
    this.trailers = fields;
    this.ends++;
  }
}

function read(...pieces: (string | Buffer)[]): Seen {
  const seen = new Seen();
  const reader = new Http1RequestReader(seen);
  for (const piece of pieces)
    if (typeof piece === 'string') reader.readText(piece);
    else reader.read(piece);
  return seen;
}

const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;

it('reads a request without a body', () => {
  const seen = read(lines('GET /v1/models?x=1 HTTP/1.1', 'Host: model:8000', 'Accept: */*', 'X-Id:  7 '));
  expect(seen.requests).toEqual([
    {
      method: 'GET',
      path: '/v1/models?x=1',
      authority: 'model:8000',
      key: undefined,
      fields: ['accept', '*/*', 'x-id', '7'],
    },
  ]);
  expect(seen.ends).toBe(1);
});

it('keeps all bytes of values, also one that ends with a letter of UTF-8', () => {
  const value = Buffer.from('voilà').toString('latin1');
  const head = lines('POST / HTTP/1.1', 'Host: m', `X-A: \t${value}\t `, 'Transfer-Encoding: chunked');
  const seen = read(head, `0\r\nX-B: ${value}\r\n\r\n`);
  expect(seen.requests[0]!.fields).toEqual(['x-a', value]);
  expect(seen.trailers).toEqual(['x-b', value]);
});

it('gives a request without a host one, since a server of HTTP/2 would refuse it', () => {
  expect(read(lines('GET / HTTP/1.1', 'Accept: */*')).requests[0]!.authority).toBe('localhost');
  expect(read(lines('GET / HTTP/1.1', 'Host:')).requests[0]!.authority).toBe('localhost');
});

it('drops the fields of an HTTP/1.1 connection', () => {
  const seen = read(
    lines(
      'POST /p HTTP/1.1',
      'host: m',
      'Connection: keep-alive',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'HTTP2-Settings: AAA',
      'Transfer-Encoding: chunked',
      'te: trailers',
      'Cookie: a=1',
    ),
    '3\r\nabc\r\n0\r\n\r\n',
  );
  expect(seen.requests[0]!.fields).toEqual(['te', 'trailers', 'cookie', 'a=1']);
  expect([seen.body, seen.ends]).toEqual(['abc', 1]);
});

it('reads a body with a length that came with its head, and keeps the length', () => {
  const seen = read(`${lines('POST /p HTTP/1.1', 'Host: m', 'Content-Length: 5')}hel`, Buffer.from('lo'));
  expect([seen.requests[0]!.fields, seen.body, seen.ends]).toEqual([['content-length', '5'], 'hello', 1]);
});

it('passes trailers of a chunked body on, but none that frame or route a request', () => {
  const seen = read(
    lines('POST /p HTTP/1.1', 'Host: m', 'Transfer-Encoding: chunked'),
    '5;x=1\r\nhello\r\n0\r\nX-Sum: 42\r\nHost: evil\r\n\r\n',
  );
  expect([seen.body, seen.trailers, seen.ends]).toEqual(['hello', ['x-sum', '42'], 1]);
});

it('keeps bytes above 127 of header values', () => {
  const seen = read(Buffer.from(lines('GET / HTTP/1.1', 'Host: m', 'X-Name: J\xf6rg'), 'latin1'));
  expect(seen.requests[0]!.fields).toEqual(['x-name', 'J\xf6rg']);
});

it('asks for a WebSocket by extended CONNECT, without the key', () => {
  const seen = read(
    lines(
      'GET /ws HTTP/1.1',
      'Host: m',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: AAAA',
      'Sec-WebSocket-Version: 13',
    ),
    Buffer.from([0x81, 0x80, 1, 2, 3, 4]),
  );
  expect(seen.requests).toEqual([
    { method: 'CONNECT', path: '/ws', authority: 'm', key: 'AAAA', fields: ['sec-websocket-version', '13'] },
  ]);
  expect([seen.body.length, seen.ends]).toEqual([6, 0]);
});

it('reads the next request after `begin`', () => {
  const seen = new Seen();
  const reader = new Http1RequestReader(seen);
  reader.readText(lines('GET /1 HTTP/1.1', 'Host: m'));
  expect(reader.hasEnded).toBe(true);
  reader.begin();
  expect(reader.hasEnded).toBe(false);
  reader.readText(lines('GET /2 HTTP/1.1', 'Host: n'));
  expect(seen.requests.map(({ path, authority }) => [path, authority])).toEqual([
    ['/1', 'm'],
    ['/2', 'n'],
  ]);
});

it.each([
  ['bytes behind a request without a body', `${lines('GET / HTTP/1.1', 'Host: m')}GET`],
  ['more bytes than Content-Length', `${lines('POST / HTTP/1.1', 'Host: m', 'Content-Length: 1')}ab`],
  ['a malformed chunk', `${lines('POST / HTTP/1.1', 'Host: m', 'Transfer-Encoding: chunked')}x\r\n`],
  ['a request line without a version', lines('GET /', 'Host: m')],
  ['a line without a colon', lines('GET / HTTP/1.1', 'Host m')],
])('throws for %s', (_what, text) => {
  expect(() => read(text)).toThrow();
});

it('gives the same parts however the request is split', () => {
  const body = '5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\n';
  const text = `${lines('POST /p HTTP/1.1', 'Host: m', 'X-A: 1', 'Transfer-Encoding: chunked')}${body}`;
  const whole = read(text);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), fc.boolean(), (cuts, asText) => {
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const parts = at.slice(1).map((end, i) => text.slice(at[i], end));
      const seen = read(...parts.map((part) => (asText ? part : Buffer.from(part, 'latin1'))));
      expect(seen).toEqual(whole);
    }),
  );
});
