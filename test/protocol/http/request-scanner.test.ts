// Compares the end of a request that the full lane finds with that of Node's strict parser.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BROKEN, RequestScanner } from '../../../src/protocol/http/request-scanner.ts';
import { requestText } from '../../kit/http-arbitrary.ts';
import { readByNode } from '../../kit/node-parser.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);
const follower = new RequestScanner(32 * 1024);

/** Follows one request in pieces. Returns what passes, and whether its end was found. */
function follow(pieces: readonly Buffer[]): { passed: Buffer; verdict: 'whole' | 'open' | 'broken' } {
  follower.begin();
  const passed: Buffer[] = [];
  for (const piece of pieces) {
    const end = follower.scan(piece);
    if (end === BROKEN) return { passed: Buffer.concat(passed), verdict: 'broken' };
    passed.push(follower.bytesToPass(piece, end));
    if (follower.isWhole) return { passed: Buffer.concat(passed), verdict: 'whole' };
  }
  return { passed: Buffer.concat(passed), verdict: 'open' };
}

it('gives Node one whole request at a time, or what Node refuses', async () => {
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(requestText, async (text) => {
      const { passed, verdict } = follow([Buffer.from(text, 'latin1')]);
      // Node's server reports these in other events, or answers them itself.
      if (verdict !== 'whole' || /^CONNECT|^expect/im.test(text) || !/^host:/im.test(text)) return;
      const { requests, isRefused } = await readByNode(passed);
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
      const apart = follow([input.subarray(0, from), input.subarray(from, to), input.subarray(to)]);
      const together = follow([input]);
      expect(apart.verdict).toBe(together.verdict);
      if (together.verdict === 'whole')
        expect(apart.passed.toString('latin1')).toBe(together.passed.toString('latin1'));
    }),
    { numRuns: runs },
  );
});

it('leaves what is not HTTP/1.x to the parser, whole', () => {
  for (const text of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'NONSENSE\r\n\r\nmore'])
    expect(follow([Buffer.from(text)])).toEqual({ passed: Buffer.from(text), verdict: 'open' });
});

it('finds the end of a request with several spaces in its line, which the parser accepts', async () => {
  const text = 'GET  /a   HTTP/1.1\r\nHost: a\r\n\r\n';
  expect(await readByNode(Buffer.from(text))).toMatchObject({ isRefused: false, requests: [{}] });
  expect(follow([Buffer.from(`${text}GET /b HTTP/1.1\r\n`)])).toEqual({
    passed: Buffer.from(text),
    verdict: 'whole',
  });
});
