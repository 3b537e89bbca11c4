// How much memory the copy of a body uses.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyCopy } from '../../../src/core/exchange/body-capture.ts';

/** A copy whose reserved bytes are counted. */
function countedCopy(limit = 256 * 1024) {
  const held = { now: 0, most: 0 };
  const copy = new BodyCopy(
    {
      take(bytes) {
        held.most = Math.max(held.most, (held.now += bytes));
        return true;
      },
      give(bytes) {
        held.now -= bytes;
      },
    },
    limit,
  );
  return { copy, held };
}

describe('the copy of a body', () => {
  it('reserves as much as the body has if its length is known', () => {
    const { copy, held } = countedCopy();
    copy.describe('application/json', '', 1024);
    copy.push(Buffer.alloc(1000, 'a'));
    copy.push(Buffer.alloc(24, 'b'));
    expect(held).toEqual({ now: 1024, most: 1024 });
    const { bytes } = copy.take()!;
    expect(Buffer.from(bytes).toString()).toBe('a'.repeat(1000) + 'b'.repeat(24));
    expect(held.now).toBe(0);
  });

  it('reserves nothing for a length alone, and at most 4 KB or twice of what has come', () => {
    const { copy, held } = countedCopy();
    copy.describe('', '', 256 * 1024);
    expect(held.most).toBe(0);
    copy.push(Buffer.alloc(1));
    expect(held.most).toBe(4096);
    copy.push(Buffer.alloc(10_000));
    expect(held.most).toBe(20_002);
  });

  it('copies a part of a buffer that its owner overwrites afterwards, for any pieces, lengths and limits', () => {
    const piece = fc.tuple(fc.uint8Array({ maxLength: 6000 }), fc.nat(), fc.nat());
    const length = fc.constantFrom(undefined, 0, 1, 5000, 100_000);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), length, fc.nat(20_000), (pieces, announced, limit) => {
        const { copy, held } = countedCopy(limit);
        copy.describe('text/plain', 'gzip', announced);
        const all: Buffer[] = [];
        for (const [array, a, b] of pieces) {
          const buffer = Buffer.from(array);
          const [from, to] = [a, b].map((at) => at % (buffer.length + 1)).sort((x, y) => x - y);
          all.push(Buffer.from(buffer.subarray(from, to)));
          copy.push(buffer, from, to);
          buffer.fill(0);
        }
        const whole = Buffer.concat(all);
        const taken = copy.take();
        expect(held.now).toBe(0);
        expect(held.most).toBeLessThanOrEqual(limit);
        expect(Buffer.from(taken?.bytes ?? [])).toEqual(whole.subarray(0, limit));
        expect(taken?.isCut ?? false).toBe(whole.length > limit);
        if (taken) expect(taken).toMatchObject({ type: 'text/plain', coding: 'gzip' });
      }),
    );
  });
});
