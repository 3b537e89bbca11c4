// Compares the end of a request that the full lane finds with that of Node's strict parser.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BROKEN, RequestScanner } from '../../../src/protocol/http/request-scanner.ts';
import { requestText } from '../../kit/http-arbitrary.ts';
import { parseRequestsWithNode } from '../../kit/node-parser.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);
const scanner = new RequestScanner(32 * 1024);

/** Scans one request in pieces. Returns the passed bytes, and whether the end was found. */
function scan(pieces: readonly Buffer[]): { passed: Buffer; result: 'whole' | 'open' | 'broken' } {
  scanner.begin();
  const passed: Buffer[] = [];
  for (const piece of pieces) {
    const end = scanner.scan(piece);
    if (end === BROKEN) return { passed: Buffer.concat(passed), result: 'broken' };
    passed.push(scanner.bytesToPass(piece, end));
    if (scanner.isWhole) return { passed: Buffer.concat(passed), result: 'whole' };
  }
  return { passed: Buffer.concat(passed), result: 'open' };
}

it('passes one whole request to Node, or bytes that Node refuses', async () => {
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(requestText, async (text) => {
      const { passed, result } = scan([Buffer.from(text, 'latin1')]);
      // Node's server reports these in other events, or responds itself. A Host in the trailers is not passed.
      const passedText = passed.toString('latin1');
      if (result !== 'whole' || /^CONNECT|^expect/im.test(text) || !/^host:/im.test(passedText)) return;
      const { requests, isRefused } = await parseRequestsWithNode(passed);
      expect([requests.length === 1 || isRefused, requests.length < 2], JSON.stringify(text)).toEqual([
        true,
        true,
      ]);
      if (!isRefused) whole++;
    }),
    { numRuns: runs },
  );
  expect(whole).toBeGreaterThan(runs / 20);
});

it('passes the same bytes at every split', () => {
  fc.assert(
    fc.property(requestText, fc.nat(), fc.nat(), (text, a, b) => {
      const input = Buffer.from(text, 'latin1');
      const [from, to] = [a % (input.length + 1), b % (input.length + 1)].sort((x, y) => x - y) as [
        number,
        number,
      ];
      const apart = scan([input.subarray(0, from), input.subarray(from, to), input.subarray(to)]);
      const together = scan([input]);
      expect(apart.result).toBe(together.result);
      if (together.result === 'whole')
        expect(apart.passed.toString('latin1')).toBe(together.passed.toString('latin1'));
    }),
    { numRuns: runs },
  );
});

it('passes all bytes to Node if the first line is not a request line of HTTP/1.x', () => {
  for (const text of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'NONSENSE\r\n\r\nmore'])
    expect(scan([Buffer.from(text)])).toEqual({ passed: Buffer.from(text), result: 'open' });
});

it('finds the end of a request with several spaces in its request line, as Node does', async () => {
  const text = 'GET  /a   HTTP/1.1\r\nHost: a\r\n\r\n';
  expect(await parseRequestsWithNode(Buffer.from(text))).toMatchObject({ isRefused: false, requests: [{}] });
  expect(scan([Buffer.from(`${text}GET /b HTTP/1.1\r\n`)])).toEqual({
    passed: Buffer.from(text),
    result: 'whole',
  });
});
