// Parsing of times that loggers write.
import { describe, expect, it } from 'vitest';
import { timeOf } from '../../../../src/telemetry/logs/ingest/timestamp.ts';
import { NOW } from './read-lines.ts';

const at = (value: unknown) => timeOf(value, NOW);
const FOUR = BigInt(Date.UTC(2026, 10, 20, 16)) * 1_000_000n;

describe('timeOf', () => {
  it.each([
    ['2026-11-20T16:00:00Z', 0n],
    ['2026-11-20T16:00:00.123456789Z', 123_456_789n],
    ['2026-11-20T16:00:00.1234567891234Z', 123_456_789n],
    ['2026-11-20t18:00:00,5+02:00', 500_000_000n],
    ['2026-11-20 10:30:00-0530', 0n],
    ['2026-11-20 15:00:00 -01', 0n],
    ['2026-11-20 16:00:00 UTC', 0n],
  ])('parses %s', (text, fraction) => expect(at(text)).toBe(FOUR + fraction));

  it('reads a time without a zone as local time', () => {
    const local = BigInt(new Date(2026, 10, 20, 16, 52, 26).getTime()) * 1_000_000n;
    expect(at('2026-11-20 16:52:26,510')).toBe(local + 510_000_000n);
    expect(at('2026-11-20 16:52:26')).toBe(local);
  });

  it('reads seconds, milliseconds, microseconds and nanoseconds since the epoch, as number or text', () => {
    const s = 1_795_190_400n;
    for (const value of [s, s * 1000n, s * 1_000_000n, s * 1_000_000_000n]) {
      expect(at(String(value))).toBe(FOUR);
      expect(at(Number(value))).toBe(FOUR);
    }
    expect(at('1795190400.123456789')).toBe(FOUR + 123_456_789n);
    expect(at(1_795_190_400.25)).toBe(FOUR + 250_000_000n);
    expect(at(1_795_190_400_123.5)).toBe(FOUR + 123_500_000n);
  });

  it('does not reuse the cached second for another second or zone', () => {
    expect(at('2026-11-20T16:00:00Z')).toBe(FOUR);
    expect(at('2026-11-20T16:00:00+01:00')).toBe(FOUR - 3_600_000_000_000n);
    expect(at('2026-11-20T16:00:01Z')).toBe(FOUR + 1_000_000_000n);
  });

  it.each([
    '',
    'now',
    '2026-11-20',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-20T25:00:00Z',
    '2026-11-20T16:00:00Zulu',
    '1999-12-31T23:59:59Z',
    '2026-11-21T17:00:01Z',
    '16:00:00',
    12,
    -1,
    Number.NaN,
    Infinity,
    1e300,
    '9'.repeat(1000),
    null,
    true,
    {},
  ])('returns undefined for %j', (value) => expect(at(value)).toBeUndefined());
});
