import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closeFrame, FrameCounter } from '../../../src/protocol/websocket/frame-counter.ts';

/** A frame (RFC 6455 5.2). */
function frame(opcode: number, payload: Uint8Array, mask: Uint8Array | undefined): Buffer {
  const length = payload.length;
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((n) => (length >>> n) & 255)];
  head[0]! |= mask ? 0x80 : 0;
  const body = mask ? payload.map((byte, i) => byte ^ mask[i % 4]!) : payload;
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), mask ?? Buffer.alloc(0), body]);
}

const masks = fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined });
const sizes = fc.oneof(fc.nat(300), fc.constantFrom(0, 125, 126, 65_535, 65_536, 70_000));

/** Splits bytes at any positions. */
const split = (bytes: Buffer, splits: number[]): Buffer[] => {
  const at = [0, ...splits.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
};

it('reads the code of a close frame and the boundaries of frames', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 4999 }),
      fc.boolean(),
      sizes,
      masks,
      (code, isMasked, size, mask) => {
        const counter = new FrameCounter();
        const data = frame(2, Buffer.alloc(size, 1), mask);
        for (const byte of data.subarray(0, -1)) counter.count(Buffer.from([byte]));
        expect(counter.isBetweenFrames).toBe(false);
        expect(counter.messageBytes).toBe(size);
        counter.count(data.subarray(-1));
        expect([counter.isBetweenFrames, counter.messageBytes]).toEqual([true, 0]);
        counter.count(closeFrame(code, isMasked));
        expect([counter.isBetweenFrames, counter.closeCode]).toEqual([true, code]);
      },
    ),
    { numRuns: 50 },
  );
});

describe('the frame counter', () => {
  it('counts the payload of data frames and reads the close code at every split of the stream', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 9, 10), sizes, masks), { maxLength: 8 }),
        fc.option(fc.integer({ min: 1000, max: 4999 })),
        masks,
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, code, closeMask, splits) => {
          const bytes = frames.map(([opcode, size, mask]) => frame(opcode, Buffer.alloc(size, 7), mask));
          if (code !== null) {
            const payload = Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from('because')]);
            bytes.push(frame(8, payload, closeMask));
          }
          const counter = new FrameCounter();
          for (const chunk of split(Buffer.concat(bytes), splits)) counter.count(chunk);
          expect(counter.payloadBytes).toBe(
            frames.filter(([op]) => op < 8).reduce((sum, [, size]) => sum + size, 0),
          );
          expect(counter.closeCode).toBe(code ?? 0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('returns 1005 for a close frame without a code', () => {
    const counter = new FrameCounter();
    counter.count(frame(8, Buffer.alloc(0), Buffer.from([1, 2, 3, 4])));
    expect(counter.closeCode).toBe(1005);
  });

  it('keeps the first close code', () => {
    const counter = new FrameCounter();
    counter.count(frame(8, Buffer.from([3, 232]), undefined));
    counter.count(frame(8, Buffer.from([3, 233]), undefined));
    expect(counter.closeCode).toBe(1000);
  });

  it.each([0, 200, 999])('returns 65535 for the invalid close code %d', (number) => {
    const counter = new FrameCounter();
    counter.count(closeFrame(number, true));
    expect([counter.closeCode, counter.hasClosed]).toEqual([65_535, true]);
  });

  it('reports the close after the whole close frame', () => {
    const counter = new FrameCounter();
    const whole = frame(8, Buffer.concat([Buffer.from([3, 232]), Buffer.from('because')]), undefined);
    counter.count(whole.subarray(0, 6));
    expect([counter.closeCode, counter.hasClosed]).toEqual([1000, false]);
    counter.count(whole.subarray(6));
    expect(counter.hasClosed).toBe(true);
  });

  it('accepts any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (chunks) => {
        const counter = new FrameCounter();
        for (const chunk of chunks) counter.count(chunk);
        expect(counter.payloadBytes).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
