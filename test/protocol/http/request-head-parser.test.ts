// Compares the fast lane's request parser with Node's strict parser, and checks what it declines.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyScanner, BROKEN } from '../../../src/protocol/http/body-framing.ts';
import { DECLINED, INCOMPLETE, READY } from '../../../src/protocol/http/head-result.ts';
import { readRequestHead, RequestHead } from '../../../src/protocol/http/request-head-parser.ts';
import { plainRequest, requestText } from '../../kit/http-arbitrary.ts';
import { parseRequestsWithNode } from '../../kit/node-parser.ts';
import { linePairs } from '../../kit/header-lines.ts';
import { headerValues } from '../../kit/replica.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);
const head = new RequestHead();
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const readHead = (input: Buffer) => readRequestHead(input, 0, input.length, head);

const DROPPED =
  /^(connection|keep-alive|proxy-connection|proxy-authenticate|proxy-authorization|x-baseten-request-id|traceparent|x-forwarded-for|forwarded)$/i;

describe('the parser of request heads', () => {
  it('accepts only what Node accepts, with the same method, target, headers, framing and body', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(requestText, async (text) => {
        const input = bytes(text);
        if (readHead(input) !== READY) return;
        const body = new BodyScanner();
        body.begin(head.framing, head.length);
        const end = body.scan(input, head.end, input.length);
        if (end === BROKEN) return;
        accepted++;
        const { method, target, host, kept } = head;
        const { requests, isRefused } = await parseRequestsWithNode(input.subarray(0, end));
        expect(isRefused, JSON.stringify(text)).toBe(false);
        expect(requests.length, JSON.stringify(text)).toBe(1);
        const [read] = requests as [(typeof requests)[0]];
        expect([method, target]).toEqual([read.method, read.url]);
        expect([host]).toEqual(headerValues(read.rawHeaders, 'host'));
        const theirs: [string, string][] = [];
        for (let i = 0; i < read.rawHeaders.length; i += 2)
          if (!DROPPED.test(read.rawHeaders[i]!)) theirs.push([read.rawHeaders[i]!, read.rawHeaders[i + 1]!]);
        expect(linePairs(kept)).toEqual(theirs);
        expect(body.payloadBytes).toBe(read.body.length);
      }),
      { numRuns: runs },
    );
    // The generator must still make enough requests that are accepted.
    expect(accepted).toBeGreaterThan(runs / 20);
  });

  it('accepts ordinary requests', () => {
    fc.assert(
      fc.property(plainRequest, (request) => {
        const lines = request.headers
          .filter(([name]) => name !== 'TE')
          .map(([name, value]) => `${name}: ${value}\r\n`);
        const text = `${request.method} ${request.target} HTTP/1.1\r\nHost: h\r\n${lines.join('')}\r\n`;
        expect(readHead(bytes(text))).toBe(READY);
        expect(head.end).toBe(text.length);
      }),
    );
  });

  it('returns INCOMPLETE at every byte before the end of the head, and reads no further than the end', () => {
    const text =
      'POST /v1/x?y=%20 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc';
    const whole = text.length - 3;
    for (let size = 0; size <= text.length; size++) {
      const result = readHead(bytes(text.slice(0, size)));
      expect(result, String(size)).toBe(size < whole ? INCOMPLETE : READY);
    }
    expect(head).toMatchObject({
      method: 'POST',
      target: '/v1/x?y=%20',
      host: 'h',
      length: 3,
      keepAlive: false,
      end: whole,
    });
    expect(head.kept).toBe('Host: h\r\nContent-Length: 3\r\n');
    expect(head.forwardedFor).toBe('1.1.1.1, ');
  });

  it('returns the same result with more bytes, unless it was INCOMPLETE', () => {
    fc.assert(
      fc.property(fc.oneof(requestText, fc.string({ unit: 'binary' })), fc.nat(), (text, at) => {
        const input = bytes(text);
        const part = input.subarray(0, at % (input.length + 1));
        const first = readHead(part);
        const whole = readHead(input);
        expect([INCOMPLETE, READY, DECLINED]).toContain(first);
        if (first !== INCOMPLETE) expect(whole).toBe(first);
      }),
      { numRuns: runs },
    );
  });

  it('passes on that a client accepts trailers, whether or not Connection names TE (RFC 9110 10.1.4)', () => {
    for (const connection of ['', 'Connection: TE\r\n', 'Connection: close\r\n']) {
      const text = `GET / HTTP/1.1\r\nHost: h\r\n${connection}TE: trailers\r\n\r\n`;
      expect(readHead(bytes(text)), connection).toBe(READY);
      expect(head.kept).toBe('Host: h\r\nTE: trailers\r\n');
      expect(head.keepAlive).toBe(!connection.includes('close'));
    }
  });

  it.each([
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a method without an end', 'GETGETGETGET'],
    ['a target in absolute form', 'GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['version HTTP/1.0', 'GET / HTTP/1.0\r\nHost: h\r\n\r\n'],
    ['a fragment in the target', 'GET /#a HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['an empty line before it', '\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['bare LFs as line ends', 'GET / HTTP/1.1\nHost: h\n\n'],
    ['an Expect header', 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n'],
    ['an Upgrade header', 'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n'],
    ['a TE header that names a coding', 'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers, gzip\r\n\r\n'],
    ['an empty TE header', 'GET / HTTP/1.1\r\nHost: h\r\nTE:\r\n\r\n'],
    ['two TE headers', 'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTE: trailers\r\n\r\n'],
    ['Connection with TE and another name', 'GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, x-a\r\n\r\n'],
    ['a header named in Connection', 'GET / HTTP/1.1\r\nHost: h\r\nConnection: x-a\r\n\r\n'],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS ClientHello', '\u0016\u0003\u0001\u0002\u0000'],
  ])('declines a request with %s', (_, text) => expect(readHead(bytes(text))).toBe(DECLINED));
});
