// Log records that are encoded as protobuf without making messages first.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encode } from '../../../src/protocol/otlp/codec.ts';
import { logsRequest } from '../../../src/protocol/otlp/messages.ts';
import type { LogRecord } from '../../../src/telemetry/logs/logs.ts';
import { parseDestination } from '../../../src/telemetry/otlp-export/destination.ts';
import { LogEncoder } from '../../../src/telemetry/otlp-export/log-encoder.ts';
import { logsOf } from '../../../src/telemetry/otlp-export/otlp-logs.ts';
import { record as anyRecord } from '../logs/query/arbitrary.ts';

const sender = { version: '1.2.3', own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }) };

function destination(attributes?: readonly string[]) {
  const parsed = parseDestination({ endpoint_url: 'http://receiver/v1/logs', attributes });
  if ('problems' in parsed) throw new Error(parsed.problems.join());
  return parsed.settings;
}

/** Lengths around those at which a length takes one byte more. */
const length = fc.oneof(
  fc.nat(300),
  ...[47, 127, 128, 16_383, 16_384, 2_097_151].map((near) =>
    fc.integer({ min: Math.max(0, near - 60), max: near + 60 }),
  ),
);
const longText = fc.tuple(fc.constantFrom('x', 'ß', '显', '🔥'), length).map(([one, n]) => one.repeat(n));
const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme' }) },
  { weight: 1, arbitrary: longText },
);
const hex = (digits: number) => fc.stringMatching(new RegExp(`^([0-9a-f]{${digits}})?$`));
const attributes = fc
  .dictionary(fc.constantFrom('status', 'x', 'exc_info', 'n', '显', '__proto__'), fc.jsonValue())
  .map((all) => JSON.stringify(all));
const hops = fc.nat(4).map((n) => JSON.stringify({ scope: { name: 'app', attributes: { 'weir.hops': n } } }));

const record: fc.Arbitrary<LogRecord> = fc
  .record({
    base: anyRecord,
    timeNs: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 63n - 1n)),
    message: text,
    requestId: text,
    replica: text,
    traceId: hex(32),
    spanId: hex(16),
    attributes: fc.oneof(fc.constant(''), attributes, hops),
  })
  .map(({ base, ...more }) => ({ ...base, ...more }));
const names = fc.option(
  fc.uniqueArray(
    fc.constantFrom(
      'message',
      'request_id',
      'replica',
      'pod',
      'model_id',
      'status',
      'duration_ms',
      'x',
      'n',
      '显',
    ),
    { minLength: 1 },
  ),
  { nil: undefined },
);

it('encodes log records to the same bytes as their messages', () => {
  fc.assert(
    fc.property(fc.array(fc.array(record, { maxLength: 8 }), { maxLength: 3 }), names, (batches, wanted) => {
      const settings = destination(wanted);
      const encoder = new LogEncoder(settings, sender);
      for (const records of batches) {
        const messages = logsOf(records, settings, sender);
        const expected = encode('protobuf', logsRequest, messages);
        const encoded = encoder.encode(records);
        if (messages.resourceLogs.length === 0) expect(encoded).toBeUndefined();
        else expect(encoded!.equals(expected)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
