// A ring of frames, with its two sides in one thread.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ringMemory, RingReader, RingWriter } from '../../src/core/ring.ts';

const SIZE = 2 ** 20;

/** A frame of a length in bytes with a number in it. */
function write(ring: RingWriter, length: number, number: number): boolean {
  const at = ring.reserve(length);
  if (at === -1) return false;
  ring.u32[at >> 2] = length;
  ring.u32[(at >> 2) + 1] = number;
  ring.u8[at + length - 1] = number;
  ring.commit(length);
  return true;
}

/** The numbers of all unread frames. */
function numbersOf(ring: RingReader): number[] {
  const u8 = ring.take();
  const u32 = new Uint32Array(u8.buffer, u8.byteOffset, u8.length / 4);
  const numbers: number[] = [];
  for (let at = 0; at < u8.length; at += u32[at >> 2]!) {
    const number = u32[(at >> 2) + 1]!;
    expect(u8[at + u32[at >> 2]! - 1]).toBe(number & 0xff);
    numbers.push(number);
  }
  return numbers;
}

it('gives every frame once and in order, whatever the lengths and the turns of the two sides', () => {
  const length = fc.oneof(
    fc.integer({ min: 2, max: 40 }).map((words) => 8 * words),
    fc.integer({ min: 2, max: SIZE / 64 }).map((words) => 8 * words),
    fc.constantFrom(SIZE / 2, SIZE / 4, SIZE / 4 + 8),
  );
  const turn = fc.oneof(
    { weight: 5, arbitrary: length },
    { weight: 1, arbitrary: fc.constant('take' as const) },
  );
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 300 }), (turns) => {
      const memory = ringMemory(SIZE);
      const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
      const expected: number[] = [];
      let number = 0;
      for (const one of turns)
        if (one === 'take') {
          expect(numbersOf(reader)).toEqual(expected.splice(0));
          expect(reader.isEmpty).toBe(true);
          expect(writer.unreadBytes).toBe(0);
        } else if (write(writer, one, ++number)) expected.push(number);
        else expect(writer.unreadBytes + 2 * one).toBeGreaterThan(SIZE);
      expect(numbersOf(reader)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

it('has room for its whole size again after everything was read', () => {
  const memory = ringMemory(SIZE);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  for (let round = 0; round < 50; round++) {
    const count = 1 + ((round * 37) % 100);
    for (let i = 0; i < count; i++) expect(write(writer, SIZE / 128, i)).toBe(true);
    expect(numbersOf(reader)).toHaveLength(count);
  }
});

it('refuses a frame when it is full, and takes frames again after it was read', () => {
  const memory = ringMemory(SIZE);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  let count = 0;
  while (write(writer, 1024, count)) count++;
  expect(count).toBe(SIZE / 1024);
  expect(numbersOf(reader)).toHaveLength(count);
  expect(write(writer, 1024, 1)).toBe(true);
});

it('wakes a reader that waits', async () => {
  const memory = ringMemory(SIZE);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  const waiting = reader.wait();
  write(writer, 16, 7);
  await waiting;
  expect(numbersOf(reader)).toEqual([7]);
});
