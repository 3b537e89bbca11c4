// Durations and sizes as users write them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  invalidDuration,
  parseBytes,
  parseDuration,
  parseDurationNs,
} from '../../src/core/units.ts';

describe('parseDuration', () => {
  it.each([
    ['1.5m', 90_000],
    ['250ms', 250],
    ['30 s', 30_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['0.4ms', undefined],
    ['999us', 1],
    ['0', 0],
    ['5', undefined],
    ['-1s', undefined],
    ['s', undefined],
    ['', undefined],
    ['soon', undefined],
    ['2x', undefined],
    ['2Ms', undefined],
    ['1 fortnight', undefined],
    ['1.s', undefined],
    [`${'1'.repeat(100)}s`, undefined],
  ])('reads "%s" as %s ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([
    ['1ns', 1n],
    ['1.5us', 1500n],
    ['2µs', 2000n],
    ['2μs', 2000n],
    ['0.5ns', 1n],
    ['1h30m', 5_400_000_000_000n],
    ['999999999d999999999d', 172_799_999_827_200_000_000_000n],
  ])('reads "%s" as %s ns', (text, ns) => expect(parseDurationNs(text)).toBe(ns));

  it('reads no duration that would be rounded to 0 ms, since 0 often means no limit', () => {
    expect(['0', '0s', '1ms', '1us', '499999ns'].map(parseDuration)).toEqual([0, 0, 1, undefined, undefined]);
  });

  it('reads what formatDuration wrote', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (ms) => parseDuration(formatDuration(ms)) === ms),
    );
  });

  it('says what would be a duration, and repeats no more than 60 characters of a wrong one', () => {
    expect(invalidDuration('x'.repeat(100))).toBe(
      `invalid duration "${'x'.repeat(60)}"; write 500ms, 30s, 1h30m or 7d`,
    );
  });
});

describe('parseBytes', () => {
  it.each([
    ['100MiB', 104_857_600],
    ['512', 512],
    ['1.5KiB', 1536],
    ['1MB', undefined],
    ['', undefined],
  ])('reads "%s" as %s bytes', (text, size) => expect(parseBytes(text)).toBe(size));

  it('reads what formatBytes wrote', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (size) => parseBytes(formatBytes(size)) === size),
    );
  });
});
