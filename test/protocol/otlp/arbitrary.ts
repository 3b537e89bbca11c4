// Generates OTLP messages for property tests from the tables of messages.ts.
import fc from 'fast-check';
import type { MessageFields, OtlpMessage } from '../../../src/protocol/otlp/messages.ts';
import type { AnyValue } from '../../../src/protocol/otlp/any-value.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const hex = (length: number) =>
  fc
    .string({
      unit: fc.constantFrom(...Array.from({ length: 16 }, (_, digit) => digit.toString(16))),
      minLength: length,
      maxLength: length,
    })
    .map((id) => (/[^0]/.test(id) ? id : ''));

const anyValue: fc.Arbitrary<AnyValue> = fc.letrec<{ value: AnyValue; map: Map<string, AnyValue> }>(
  (tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      text,
      fc.boolean(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      // Receivers disagree on a negative zero in JSON.
      fc.double().map((value) => (value === 0 ? 0 : value)),
      fc.uint8Array({ maxLength: 8 }),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('map'),
    ),
    map: fc
      .array(fc.tuple(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '')), tie('value')), {
        maxLength: 3,
      })
      .map((pairs) => new Map(pairs)),
  }),
).value;

const attributes = fc
  .array(fc.tuple(fc.oneof(text, fc.constant('__proto__')), anyValue), { maxLength: 4 })
  .map((pairs) => new Map(pairs));

const kinds: Record<string, fc.Arbitrary<unknown>> = {
  fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fixed32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int32: fc.integer(),
  string: text,
  traceId: fc.oneof(fc.constant(''), hex(32)),
  spanId: fc.oneof(fc.constant(''), hex(16)),
  value: anyValue,
  attributes,
};

/** Generates any message of a table. */
export function messages<F extends MessageFields>(fields: F): fc.Arbitrary<OtlpMessage<F>> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, [, kind]]) => [
        name,
        typeof kind === 'string'
          ? kinds[kind]!
          : kind.isList
            ? fc.array(messages(kind.fields), { maxLength: 2 })
            : messages(kind.fields),
      ]),
    ),
  ) as fc.Arbitrary<OtlpMessage<F>>;
}
