// The fast lane's parser against Node's: what it accepts, Node accepts alike; what it cannot judge, it leaves.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyFollower, BROKEN } from '../../../src/protocol/http/body-framing.ts';
import {
  DECLINED,
  INCOMPLETE,
  MALFORMED,
  READY,
  readRequestHead,
  readResponseHead,
  RequestHead,
  ResponseHead,
} from '../../../src/protocol/http/head-parser.ts';
import { answerText, plainRequest, requestText } from '../../kit/http-arbitrary.ts';
import { answerByNode, readByNode } from '../../kit/node-parser.ts';
import { headerValues } from '../../kit/replica.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);
const head = new RequestHead();
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Header lines as pairs, without what is of this hop. */
const pairs = (kept: string): [string, string][] =>
  kept
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).replace(/^[ \t]+|[ \t]+$/g, ''),
    ]);

const DROPPED =
  /^(connection|keep-alive|proxy-connection|proxy-authenticate|proxy-authorization|x-baseten-request-id|traceparent|x-forwarded-for|forwarded)$/i;

describe('a request head', () => {
  it('that is accepted is accepted by Node, with the same method, target, headers, framing and body', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(requestText, async (text) => {
        const input = bytes(text);
        if (readRequestHead(input, 0, head) !== READY) return;
        const body = new BodyFollower();
        body.begin(head.framing, head.length);
        const end = body.follow(input, head.end, input.length);
        if (end === BROKEN) return;
        accepted++;
        const { method, target, host, kept } = head;
        const { requests, isRefused } = await readByNode(input.subarray(0, end));
        expect(isRefused, JSON.stringify(text)).toBe(false);
        expect(requests.length, JSON.stringify(text)).toBe(1);
        const [read] = requests as [(typeof requests)[0]];
        expect([method, target]).toEqual([read.method, read.url]);
        expect([host]).toEqual(headerValues(read.rawHeaders, 'host'));
        const theirs: [string, string][] = [];
        for (let i = 0; i < read.rawHeaders.length; i += 2)
          if (!DROPPED.test(read.rawHeaders[i]!)) theirs.push([read.rawHeaders[i]!, read.rawHeaders[i + 1]!]);
        expect(pairs(kept)).toEqual(theirs);
        expect(body.payloadBytes).toBe(read.body.length);
      }),
      { numRuns: runs },
    );
    // The generator must not have wandered off into what is declined anyway.
    expect(accepted).toBeGreaterThan(runs / 20);
  });

  it('that is ordinary is accepted', () => {
    fc.assert(
      fc.property(plainRequest, (request) => {
        const lines = request.headers
          .filter(([name]) => name !== 'TE')
          .map(([name, value]) => `${name}: ${value}\r\n`);
        const text = `${request.method} ${request.target} HTTP/1.1\r\nHost: h\r\n${lines.join('')}\r\n`;
        expect(readRequestHead(bytes(text), 0, head)).toBe(READY);
        expect(head.end).toBe(text.length);
      }),
    );
  });

  it('is incomplete at every byte before its end, and never read past it', () => {
    const text =
      'POST /v1/x?y=%20 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc';
    const whole = text.length - 3;
    for (let size = 0; size <= text.length; size++) {
      const verdict = readRequestHead(bytes(text.slice(0, size)), 0, head);
      expect(verdict, String(size)).toBe(size < whole ? INCOMPLETE : READY);
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

  it('of any bytes, cut anywhere, gives a verdict, and more bytes never turn a refusal into an acceptance', () => {
    fc.assert(
      fc.property(fc.oneof(requestText, fc.string({ unit: 'binary' })), fc.nat(), (text, at) => {
        const input = bytes(text);
        const part = input.subarray(0, at % (input.length + 1));
        const first = readRequestHead(part, 0, head);
        const whole = readRequestHead(input, 0, head);
        expect([INCOMPLETE, READY, DECLINED]).toContain(first);
        if (first !== INCOMPLETE) expect(whole).toBe(first);
      }),
      { numRuns: runs },
    );
  });

  it.each([
    ['a method of another kind', 'BREW / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a method that never ends', 'GETGETGETGET'],
    ['absolute form', 'GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: h\r\n\r\n'],
    ['a fragment', 'GET /#a HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a leading empty line', '\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: h\n\n'],
    ['Expect', 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n'],
    ['Upgrade', 'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n'],
    ['TE', 'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n'],
    ['headers named in Connection', 'GET / HTTP/1.1\r\nHost: h\r\nConnection: x-a\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', '\u0016\u0003\u0001\u0002\u0000'],
  ])('with %s is left to the full lane', (_, text) =>
    expect(readRequestHead(bytes(text), 0, head)).toBe(DECLINED),
  );
});

describe('an answer’s head', () => {
  const answer = new ResponseHead();

  it('that is read is read by Node alike, and what Node refuses is malformed', async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(answerText, fc.constantFrom('GET', 'HEAD'), async (text, method) => {
        const input = bytes(text);
        const verdict = readResponseHead(input, 0, input.length, method === 'HEAD', answer);
        const theirs = await answerByNode(input, method);
        if (verdict === READY && answer.status >= 200) {
          const body = new BodyFollower();
          body.begin(answer.framing, answer.length);
          const end = body.follow(input, answer.end, input.length);
          if (end === BROKEN) return;
          // Bytes behind the end are for Node to complain of; we close the connection.
          if (theirs === undefined && end < input.length) return;
          // Node refuses some heads that weir accepts and passes on with one framing (RFC 9112 6.3, RFC 9110 8.6).
          if (
            theirs === undefined &&
            (text.match(/(content-length|transfer-encoding):|\d, ?\d/gi) ?? []).length > 1
          )
            return;
          read++;
          expect(theirs, JSON.stringify(text)).toBeDefined();
          expect([answer.status, answer.reason]).toEqual([theirs!.status, theirs!.reason]);
          expect(body.payloadBytes, JSON.stringify(text)).toBe(theirs!.body.length);
          const ids = theirs!.rawHeaders.filter(
            (_, i) => i % 2 === 0 && /^x-a$/i.test(theirs!.rawHeaders[i]!),
          );
          expect(pairs(answer.kept).filter(([name]) => /^x-a$/i.test(name)).length <= ids.length).toBe(true);
        }
      }),
      { numRuns: runs },
    );
    expect(read).toBeGreaterThan(runs / 20);
  });

  it('is incomplete at every byte before its end', () => {
    const text =
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-A: 2\r\n\r\nabc';
    for (let size = 0; size <= text.length; size++)
      expect(readResponseHead(bytes(text), 0, size, false, answer)).toBe(
        size < text.length - 3 ? INCOMPLETE : READY,
      );
    expect(answer).toMatchObject({ status: 200, reason: 'OK', length: 3, keepAlive: false });
    expect(answer.kept).toBe('Content-Length: 3\r\nX-A: 2\r\n');
  });

  it.each([
    ['another protocol', 'SSH-2.0-x\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['two lengths in a line', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n'],
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
  ])('with %s is malformed', (_, text) =>
    expect(readResponseHead(bytes(text), 0, text.length, false, answer)).toBe(MALFORMED),
  );
});
