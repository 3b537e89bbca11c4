// Compares the parser of responses with Node's strict parser.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyScanner, BROKEN } from '../../../src/protocol/http/body-framing.ts';
import { INCOMPLETE, MALFORMED, READY } from '../../../src/protocol/http/head-result.ts';
import { readResponseHead, ResponseHead } from '../../../src/protocol/http/response-head-parser.ts';
import { linePairs } from '../../kit/header-lines.ts';
import { responseText } from '../../kit/http-arbitrary.ts';
import { parseResponseWithNode } from '../../kit/node-parser.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);
const head = new ResponseHead();
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('the parser of response heads', () => {
  it('reads the same status, reason and body as Node', async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(responseText, fc.constantFrom('GET', 'HEAD'), async (text, method) => {
        const input = bytes(text);
        const result = readResponseHead(input, 0, input.length, method === 'HEAD', head);
        const byNode = await parseResponseWithNode(input, method);
        if (result === READY && head.status >= 200) {
          const body = new BodyScanner();
          body.begin(head.framing, head.length);
          const end = body.scan(input, head.end, input.length);
          if (end === BROKEN) return;
          // Node reports bytes after the end as an error; weir closes the connection.
          if (byNode === undefined && end < input.length) return;
          // Node refuses some heads that weir accepts and passes on with one framing (RFC 9112 6.3, RFC 9110 8.6).
          if (
            byNode === undefined &&
            (text.match(/(content-length|transfer-encoding):|\d, ?\d/gi) ?? []).length > 1
          )
            return;
          read++;
          expect(byNode, JSON.stringify(text)).toBeDefined();
          expect([head.status, head.reason]).toEqual([byNode!.status, byNode!.reason]);
          expect(body.payloadBytes, JSON.stringify(text)).toBe(byNode!.body.length);
          const ids = byNode!.rawHeaders.filter(
            (_, i) => i % 2 === 0 && /^x-a$/i.test(byNode!.rawHeaders[i]!),
          );
          expect(linePairs(head.kept).filter(([name]) => /^x-a$/i.test(name)).length <= ids.length).toBe(
            true,
          );
        }
      }),
      { numRuns: runs },
    );
    expect(read).toBeGreaterThan(runs / 20);
  });

  it('returns INCOMPLETE at every byte before the end of the head', () => {
    const text =
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-A: 2\r\n\r\nabc';
    for (let size = 0; size <= text.length; size++)
      expect(readResponseHead(bytes(text), 0, size, false, head)).toBe(
        size < text.length - 3 ? INCOMPLETE : READY,
      );
    expect(head).toMatchObject({ status: 200, reason: 'OK', length: 3, keepAlive: false });
    expect(head.kept).toBe('Content-Length: 3\r\nX-A: 2\r\n');
  });

  it.each([
    ['a status line of another protocol', 'SSH-2.0-x\r\n'],
    [
      'two different Content-Length headers',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ],
    ['two different lengths in one Content-Length header', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n'],
    [
      'both Content-Length and Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['a folded header line', 'HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n'],
    ['a transfer coding other than chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
  ])('returns MALFORMED for a response with %s', (_, text) =>
    expect(readResponseHead(bytes(text), 0, text.length, false, head)).toBe(MALFORMED),
  );
});
