// The byte queue keeps bytes in order, in memory proportional to their number.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteQueue } from '../../src/core/byte-queue.ts';

/** What was written, copied as a socket would, and the answers it gives. */
class Sink {
  readonly pieces: Uint8Array[] = [];
  write(bytes: Uint8Array): boolean {
    this.pieces.push(bytes);
    return this.pieces.length < 3;
  }
  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

it('writes the pushed bytes in order, for any sizes of the pieces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40_000 })), {
        maxLength: 40,
      }),
      fc.nat(40),
      (sizes, askedAt) => {
        const kept = new ByteQueue();
        const pushed: Buffer[] = [];
        const early = new Sink();
        let expectedEarly = Buffer.alloc(0);
        sizes.forEach((size, i) => {
          const piece = Buffer.alloc(size, i + 1);
          pushed.push(piece);
          kept.push(piece);
          if (i !== askedAt) return;
          kept.writeTo(early);
          expectedEarly = Buffer.concat(pushed);
        });
        const sink = new Sink();
        const hasRoom = kept.writeTo(sink);
        expect(sink.bytes).toEqual(Buffer.concat(pushed));
        expect(kept.length).toBe(sink.bytes.length);
        expect(hasRoom).toBe(sink.pieces.length < 3);
        // A stream may still hold what it was given before more came.
        expect(early.bytes).toEqual(expectedEarly);
      },
    ),
  );
});

it('keeps a hundred thousand single bytes in a few blocks', () => {
  const kept = new ByteQueue();
  const read = Buffer.alloc(64 * 1024, 'x');
  for (let i = 0; i < 100_000; i++) kept.push(read.subarray(0, 1));
  const sink = new Sink();
  kept.writeTo(sink);
  expect(sink.pieces.length).toBeLessThan(15);
  for (const piece of sink.pieces) expect(piece.buffer).not.toBe(read.buffer);
});
