// Tests of reading Accept-Encoding.
import { expect, it } from 'vitest';
import { acceptsCoding, acceptsGzip } from '../../../src/protocol/http/accept-coding.ts';

it.each(['gzip', 'br, GZIP', 'x-gzip', 'deflate;q=1, gzip ; q=0.5', 'gzip;q=0.001', 'gzip;q=1.0'])(
  'sends gzip to a client that accepts "%s"',
  (header) => expect(acceptsGzip(header)).toBe(true),
);

it.each([undefined, '', 'br', 'identity', 'gzip;q=0', 'gzip; q=0.000', 'gzipped'])(
  'sends no gzip to a client that accepts "%s"',
  (header) => expect(acceptsGzip(header)).toBe(false),
);

it('tells brotli from gzip', () => {
  expect(acceptsCoding('gzip, br;q=0', 'br')).toBe(false);
  expect(acceptsCoding('gzip;q=0, br', 'br')).toBe(true);
  expect(acceptsCoding('gzip;q=0, br', 'gzip')).toBe(false);
});
