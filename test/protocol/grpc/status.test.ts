import fc from 'fast-check';
import { expect, it } from 'vitest';
import { catalogue } from '../../../src/core/errors.ts';
import { healthRequestMessage, readHealthStatus } from '../../../src/protocol/grpc/health-message.ts';
import {
  decodeMessage,
  encodeMessage,
  readStatus,
  statusNames,
  statusNumber,
} from '../../../src/protocol/grpc/status.ts';
import { formatTimeout, readTimeout } from '../../../src/protocol/grpc/timeout.ts';

it('a message is printable ASCII on the wire, and read back what it was', () => {
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

it('what is no escape stands for itself', () => {
  expect(decodeMessage('100% of %zz%4')).toBe('100% of %zz%4');
});

it('every cause has a status that gRPC knows', () => {
  for (const [cause, { grpc }] of Object.entries(catalogue)) expect(statusNames, cause).toContain(grpc);
});

it('names and numbers go together; what is none is UNKNOWN', () => {
  statusNames.forEach((name, number) => {
    expect(statusNumber(name)).toBe(number);
    expect(readStatus(String(number))).toBe(number);
  });
  for (const odd of ['', '-1', '17', '1e0', ' 0', '0x1', '00000', 'OK']) expect(readStatus(odd)).toBe(2);
});

it('a timeout that is passed on is never longer, and at most eight digits', () => {
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
])('the timeout %s is %s ms', (wire, ms) => {
  if (ms === undefined) expect(readTimeout(wire)).toBe(undefined);
  else expect(readTimeout(wire)).toBeCloseTo(ms, 9);
});

it('the health messages are those of protocol buffers', () => {
  expect(healthRequestMessage('')).toEqual(Buffer.alloc(5));
  expect(healthRequestMessage('ab')).toEqual(Buffer.from([0, 0, 0, 0, 4, 0x0a, 2, 0x61, 0x62]));
  expect(readHealthStatus(Buffer.from([0, 0, 0, 0, 2, 8, 1]))).toBe(1);
  expect(readHealthStatus(Buffer.from([0, 0, 0, 0, 0]))).toBe(0);
  // Fields that nobody knows yet, before and behind.
  expect(readHealthStatus(Buffer.from([0, 0, 0, 0, 8, 0x12, 1, 0x7a, 8, 2, 0x18, 0x96, 1]))).toBe(2);
  fc.assert(fc.property(fc.uint8Array(), (junk) => void readHealthStatus(Buffer.from(junk))));
});
