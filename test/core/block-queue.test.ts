// The queue of copied bytes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BlockQueue } from '../../src/core/block-queue.ts';

/** All bytes of a queue, which keeps them. */
function bytesOf(queue: BlockQueue): Buffer {
  const parts: Buffer[] = [];
  queue.writeTo((bytes, from, to) => parts.push(Buffer.from(bytes.subarray(from, to))));
  return Buffer.concat(parts);
}

/** Numbered bytes, so that a wrong order shows. */
const numbered = (from: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251));

it('gives back all bytes in order, whatever the sizes of pieces and removals', () => {
  const step = fc.record({
    push: fc.oneof(fc.nat(300), fc.nat(20_000), fc.nat(100_000)),
    shift: fc.nat(120_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const queue = new BlockQueue();
      let pushed = 0;
      let removed = 0;
      for (const { push, shift } of steps) {
        const piece = Buffer.concat([Buffer.from('ab'), numbered(pushed, push), Buffer.from('cd')]);
        queue.push(piece, 2, 2 + push);
        pushed += push;
        // What the caller does with its buffer afterwards does not matter.
        piece.fill(255);
        for (let left = Math.min(shift, queue.length); left > 0;) {
          const size = Math.min(left, queue.frontTo - queue.frontFrom);
          const front = queue.front.subarray(queue.frontFrom, queue.frontFrom + size);
          expect(front.equals(numbered(removed, size))).toBe(true);
          queue.shift(size);
          removed += size;
          left -= size;
        }
        expect(queue.length).toBe(pushed - removed);
      }
      expect(bytesOf(queue).equals(numbered(removed, pushed - removed))).toBe(true);
      queue.release();
      expect(queue.length).toBe(0);
      expect(bytesOf(queue).length).toBe(0);
    }),
  );
});

it('can be filled again after it was emptied, and shares no block with another queue', () => {
  const [a, b] = [new BlockQueue(), new BlockQueue()];
  for (const size of [10, 5000, 100_000]) {
    a.push(numbered(0, size), 0, size);
    a.release();
    a.push(numbered(1, size), 0, size);
    b.push(numbered(2, size), 0, size);
    expect(bytesOf(a).equals(numbered(1, size))).toBe(true);
    expect(bytesOf(b).equals(numbered(2, size))).toBe(true);
    a.release();
    b.release();
  }
});
