// Times as clients and users write them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime, invalidTime, LATEST_NS, parseDate, parseTime } from '../../src/core/time.ts';

describe('parseDate', () => {
  it('reads a time to the millisecond', () => {
    expect(parseDate('2026-11-20T16:52:26.5109Z')).toBe(Date.UTC(2026, 10, 20, 16, 52, 26, 510));
  });

  it.each(['2026', '20261120', '1795193546', '2026-13-01', ''])('rejects "%s"', (text) =>
    expect(parseDate(text)).toBeUndefined(),
  );
});

describe('parseTime', () => {
  it.each([
    ['2026-11-20', '2026-11-20T00:00:00.000000000Z'],
    ['2026-11-20T16:52', '2026-11-20T16:52:00.000000000Z'],
    ['2026-11-20 16:52:26', '2026-11-20T16:52:26.000000000Z'],
    ['2026-11-20T16:52:26.123456789Z', '2026-11-20T16:52:26.123456789Z'],
    ['2026-11-20T16:52:26.1234567891234z', '2026-11-20T16:52:26.123456789Z'],
    ['2026-11-20 16:52:26,510+01:00', '2026-11-20T15:52:26.510000000Z'],
    ['2026-11-20T16:52:26-0530', '2026-11-20T22:22:26.000000000Z'],
    ['1795193546', '2026-11-20T16:52:26.000000000Z'],
    ['1795193546510', '2026-11-20T16:52:26.510000000Z'],
    ['1795193546510123', '2026-11-20T16:52:26.510123000Z'],
    ['1795193546510123456', '2026-11-20T16:52:26.510123456Z'],
  ])('reads %s as %s', (text, iso) => expect(formatTime(parseTime(text)!)).toBe(iso));

  it.each([
    '',
    'now',
    'yesterday',
    '2026-02-30',
    '2026-13-01',
    '2026-11-20T25:00',
    '99999999999999999999',
    '-1',
    '1969-12-31',
  ])('rejects "%s"', (text) => expect(parseTime(text)).toBeUndefined());

  it('reads what formatTime wrote, to the nanosecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: LATEST_NS }), (ns) => {
        expect(parseTime(formatTime(ns))).toBe(ns);
      }),
    );
  });
});

it('says what would be a time, and repeats no more than 60 characters of a wrong one', () => {
  expect(invalidTime('x'.repeat(100))).toBe(
    `invalid time "${'x'.repeat(60)}"; write 2026-11-20T16:52:26Z (without a zone: UTC), or the seconds, ms, µs or ns since 1970`,
  );
});
