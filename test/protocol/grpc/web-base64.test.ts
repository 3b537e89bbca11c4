import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Base64Decoder, Base64Encoder } from '../../../src/protocol/grpc/web-base64.ts';

/** The pieces of some bytes, cut at any places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

/** What a decoder makes of pieces: all bytes, or undefined if one of them is not base64. */
function decoded(pieces: readonly Buffer[]): Buffer | undefined {
  const decoder = new Base64Decoder();
  const out: Buffer[] = [];
  for (const piece of pieces) {
    const bytes = decoder.decode(piece);
    if (bytes === undefined) return undefined;
    out.push(bytes);
  }
  return decoder.isWhole ? Buffer.concat(out) : undefined;
}

const places = fc.array(fc.nat(), { maxLength: 12 });
const parts = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 });

it('decodes text with padding in the middle, at every split', () => {
  fc.assert(
    fc.property(parts, places, (some, where) => {
      const text = some.map((part) => Buffer.from(part).toString('base64')).join('');
      expect(decoded(cut(Buffer.from(text), where))).toEqual(Buffer.concat(some));
    }),
  );
});

it.each([
  ['another character', 'AAAA*AAA'],
  ['white space', 'AAAA\r\nAAAA'],
  ['the alphabet of URLs', 'AA-_'],
  ['bytes above ASCII', 'AA\u00e9A'],
  ['padding at the beginning', '=AAA'],
  ['padding after one digit', 'A==='],
  ['half of the padding', 'AA='],
  ['a digit between padding', 'AA=A'],
  ['too much padding', 'AAA=='],
  ['a group without its padding', 'AAAAAAA'],
])('rejects %s at every split', (_, text) => {
  const bytes = Buffer.from(text, 'latin1');
  for (let first = 0; first <= bytes.length; first++)
    for (let second = first; second <= bytes.length; second++)
      expect(decoded(cut(bytes, [first, second]))).toBeUndefined();
});

it('decodes random text as Node does, or rejects it', () => {
  const characters = fc.constantFrom(...'AZaz09+/=*'.split(''));
  fc.assert(
    fc.property(fc.array(characters, { maxLength: 24 }), (given) => {
      const text = given.join('');
      // Groups of four, the last two of which may be padding.
      const isValid = /^(?:[^=*]{4}|[^=*]{3}=|[^=*]{2}==)*$/.test(text);
      const groups = text.match(/.{4}/g) ?? [];
      const expected = Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
      expect(decoded([Buffer.from(text)])).toEqual(isValid ? expected : undefined);
    }),
  );
});

it('encodes pieces so that they are one text, and pads where it is told to', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.boolean())), (pieces) => {
      const encoder = new Base64Encoder();
      let text = '';
      let sent: Uint8Array[] = [];
      let expected = '';
      for (const [piece, isFlush] of pieces) {
        text += encoder.encode(Buffer.from(piece), isFlush);
        sent.push(piece);
        if (!isFlush) continue;
        expected += Buffer.concat(sent).toString('base64');
        sent = [];
        expect(text).toBe(expected);
      }
    }),
  );
});

it('keeps no view of the bytes that it encodes', () => {
  const encoder = new Base64Encoder();
  const shared = Buffer.from([1, 2]);
  expect(encoder.encode(shared, false)).toBe('');
  shared.fill(9);
  expect(encoder.encode(Buffer.from([3]), true)).toBe(Buffer.from([1, 2, 3]).toString('base64'));
});
