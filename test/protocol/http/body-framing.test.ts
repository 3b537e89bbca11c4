// The body that is copied while a message passes: its bytes without framing, at every split.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BodyScanner,
  BROKEN,
  BY_CHUNKS,
  BY_CLOSE,
  BY_LENGTH,
  NO_BODY,
} from '../../../src/protocol/http/body-framing.ts';

/** Scans a message in pieces and copies its body. Returns undefined if it is malformed. */
function copyOf(scanner: BodyScanner, pieces: readonly Buffer[]): string | undefined {
  let copied = '';
  const sink = {
    push: (bytes: Buffer, from: number, to: number) => void (copied += bytes.latin1Slice(from, to)),
  };
  for (const piece of pieces) {
    // The scanner is given a part of a larger buffer, such as a read behind a head.
    const bytes = Buffer.concat([Buffer.from('HEAD'), piece]);
    const end = scanner.scan(bytes, 4, bytes.length);
    if (end === BROKEN) return undefined;
    scanner.copyPayload(bytes, 4, end, sink);
  }
  return copied;
}

const cutAt = (text: string, cuts: readonly number[]): Buffer[] => {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, i) => Buffer.from(text.slice(at[i], end), 'latin1'));
};

const data = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 20 });
const chunked = fc
  .record({
    chunks: fc.array(fc.tuple(data, fc.constantFrom('', ';a=b', ' ; a="\\""')), { maxLength: 5 }),
    trailers: fc.constantFrom('', 'X-Sum: 42\r\n', 'Content-Type: a\r\n', 'X-A: 1\r\nSet-Cookie: b\r\n'),
  })
  .map(({ chunks, trailers }) => ({
    body: chunks.map(([text]) => text).join(''),
    text: `${chunks.map(([text, ext]) => `${text.length.toString(16)}${ext}\r\n${text}\r\n`).join('')}0\r\n${trailers}\r\n`,
  }));
const cuts = fc.array(fc.nat(), { maxLength: 6 });

it('is copied without chunk sizes, extensions and trailers, at every split', () => {
  const scanner = new BodyScanner();
  fc.assert(
    fc.property(chunked, cuts, fc.boolean(), ({ body, text }, at, isResponse) => {
      scanner.begin(BY_CHUNKS, 0, isResponse, true);
      // What follows the message is not a part of it.
      expect(copyOf(scanner, cutAt(`${text}NEXT`, at))).toBe(body);
      expect([scanner.isWhole, scanner.payloadBytes]).toEqual([true, body.length]);
    }),
  );
});

it('is copied up to its length, to the end of the connection, or not at all', () => {
  const scanner = new BodyScanner();
  fc.assert(
    fc.property(data, cuts, (text, at) => {
      scanner.begin(BY_LENGTH, text.length, false, true);
      expect(copyOf(scanner, cutAt(`${text}NEXT`, at))).toBe(text);
      scanner.begin(BY_CLOSE, 0, true, true);
      expect(copyOf(scanner, cutAt(text, at))).toBe(text);
      scanner.begin(NO_BODY, 0, true, true);
      expect(copyOf(scanner, cutAt(text, at))).toBe('');
    }),
  );
});

it('copies nothing of a chunked body that was not to be copied, with a scanner that has copied one before', () => {
  const scanner = new BodyScanner();
  const pieces = cutAt('5\r\nhello\r\n0\r\n\r\n', []);
  scanner.begin(BY_CHUNKS, 0, true, true);
  expect(copyOf(scanner, pieces)).toBe('hello');
  scanner.begin(BY_CHUNKS, 0, true);
  expect(copyOf(scanner, pieces)).toBe('');
});
