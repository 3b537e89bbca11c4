// Random records of all kinds, with few different values, so that queries match.
import fc from 'fast-check';
import { LATEST_NS } from '../../../../src/core/time.ts';
import type { Bodies } from '../../../../src/telemetry/logs/store/bodies.ts';
import { record } from '../query/arbitrary.ts';
import { BASE_MS, lineRow, natives, type Row } from './stored-rows.ts';

/** A record to be stored, and its bodies. */
export interface Given {
  readonly row: Row;
  readonly bodies?: Bodies | undefined;
}

const START_NS = BigInt(BASE_MS) * 1_000_000n;
const HOUR_NS = 3_600_000_000_000n;

/** Ties, neighbours, times far apart, and the bounds. */
export const time: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(START_NS, START_NS + 1n, START_NS + 1_000_000n, START_NS + HOUR_NS),
  fc.bigInt(0n, HOUR_NS).map((later) => START_NS + later),
  fc.bigInt(0n, 400n * 24n * HOUR_NS).map((earlier) => START_NS - earlier),
  fc.constantFrom(0n, 1n, LATEST_NS),
);

const nested = fc.dictionary(
  fc.constantFrom('x', 'user', 'exc_info', 'resource', '超', 'a.b', ''),
  fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }),
  { maxKeys: 4 },
);

/** Any record as a posted one: none of its values follows from others. */
const others: fc.Arbitrary<Given> = fc
  .record({
    base: record,
    kind: fc.constantFrom('line', 'line', 'span', 'event', 'request'),
    timeNs: time,
    attributes: fc.option(nested, { nil: undefined }),
  })
  .map(({ base, kind, timeNs, attributes }) => ({
    row: lineRow({
      ...base,
      kind,
      timeNs,
      attributes: attributes === undefined ? base.attributes : JSON.stringify(attributes),
    }),
  }));

const body = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
const bodies = fc
  .record({ request: body, response: body })
  .map((both) => (both.request || both.response ? both : undefined));
/** The records that weir makes of requests. */
const requests: fc.Arbitrary<Given> = fc.record({ row: natives, bodies });

/** Records that are stored together, some of them several times. */
export const drain: fc.Arbitrary<Given[]> = fc
  .array(fc.tuple(fc.oneof(requests, others), fc.constantFrom(1, 1, 1, 3)), { maxLength: 20 })
  .map((repeated) => repeated.flatMap(([given, times]) => Array<Given>(times).fill(given)));
