import fc from 'fast-check';
import { expect, it } from 'vitest';
import { catalogue } from '../../../src/core/errors.ts';
import {
  decodeMessage,
  encodeMessage,
  readStatus,
  statusNames,
  statusNumber,
} from '../../../src/protocol/grpc/status.ts';
import { formatTimeout, readTimeout } from '../../../src/protocol/grpc/timeout.ts';

it('encodes a message as printable ASCII and decodes it to the same text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const wire = encodeMessage(text);
      expect(wire).toMatch(/^[ -~]*$/);
      expect(decodeMessage(wire)).toBe(text);
    }),
  );
  expect(encodeMessage('\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n')).toBe(
    '%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A',
  );
});

it('keeps an invalid percent-encoding', () => {
  expect(decodeMessage('100% of %zz%4')).toBe('100% of %zz%4');
});

it('has a valid gRPC status for every failure of the catalogue', () => {
  for (const [cause, { grpc }] of Object.entries(catalogue)) expect(statusNames, cause).toContain(grpc);
});

it('maps names to numbers, and anything else to UNKNOWN', () => {
  statusNames.forEach((name, number) => {
    expect(statusNumber(name)).toBe(number);
    expect(readStatus(String(number))).toBe(number);
  });
  for (const odd of ['', '-1', '17', '1e0', ' 0', '0x1', '00000', 'OK']) expect(readStatus(odd)).toBe(2);
});

it('formats a timeout that is never longer, with at most eight digits', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e9, noNaN: true }), (ms) => {
      const wire = formatTimeout(ms);
      expect(wire).toMatch(/^\d{1,8}[HMSmun]$/);
      const read = readTimeout(wire)!;
      expect(read).toBeLessThanOrEqual(ms * (1 + 1e-9));
      expect(read).toBeGreaterThanOrEqual(Math.min(ms - 1000, ms * 0.98) - 0.001);
    }),
  );
});

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['4m', 4],
  ['5u', 0.005],
  ['99999999n', 99.999999],
  ['100000000m', undefined],
  ['1', undefined],
  ['S', undefined],
  ['-1S', undefined],
  ['1.5S', undefined],
])('parses the timeout %s as %s ms', (wire, ms) => {
  if (ms === undefined) expect(readTimeout(wire)).toBe(undefined);
  else expect(readTimeout(wire)).toBeCloseTo(ms, 9);
});
