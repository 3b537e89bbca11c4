// Headers of pages, against what JSON.parse reads from them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader } from '../../../../src/telemetry/logs/store/page-header.ts';
import { EncodedShapes } from '../../../../src/telemetry/logs/store/shape.ts';

const SHAPES = ',"shapes":[[1,2],[3]]';
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(SHAPES, `"${SHAPES}`, '\\"', 'é,'));
const number = fc.oneof(fc.nat(24), fc.nat(), fc.constantFrom(0, 200, 2 ** 32 - 1));
const odd = fc.oneof(number, fc.constantFrom(-1, 1.5, 1e21, 2 ** 32, 2 ** 53 - 1));

/** `numbers`: of the shapes. */
const headerWith = (numbers: fc.Arbitrary<number>) =>
  fc.record({
    rows: fc.integer({ min: 1, max: 32_768 }),
    baseMs: fc.nat(),
    texts: fc.array(text, { minLength: 1, maxLength: 8 }),
    shapes: fc.array(fc.array(numbers, { minLength: 1, maxLength: 21 }), { minLength: 1, maxLength: 5 }),
    attributes: fc.option(
      fc.record({ names: fc.array(text, { maxLength: 3 }), hasOthers: fc.boolean() }),
      { nil: undefined }, // prettier-ignore
    ),
  });

type Header = Parameters<typeof encodeHeader>[0];

/** The shapes, one at a time, as they are without a header around them. */
const shapesOf = ({ shapes, texts }: Header): EncodedShapes => {
  const starts = [0];
  for (const { length } of shapes) starts.push(starts.at(-1)! + length);
  return new EncodedShapes(shapes.flat(), starts, texts);
};

const allOf = (shapes: EncodedShapes) => ({
  shapes: Array.from({ length: shapes.count }, (_, i) => [shapes.has(i), shapes.shape(i)]),
  columns: [shapes.column('kind'), shapes.column('status'), shapes.column('replica')],
});

describe('the header of a page', () => {
  it.each([
    ['usual numbers', number],
    ['numbers of any size and sign', odd],
  ])('is decoded as it was encoded, with %s in its shapes', (_, numbers) => {
    fc.assert(
      fc.property(headerWith(numbers), (header) => {
        const { shapes, ...rest } = decodeHeader(encodeHeader(header));
        const { rows, baseMs, attributes } = header;
        expect(rest).toMatchObject({ rows, baseMs });
        expect(rest.attributes).toEqual(attributes);
        expect(allOf(shapes)).toEqual(allOf(shapesOf(header)));
      }),
    );
  });

  it('is read with members that this version does not know', () => {
    const header = {
      rows: 2,
      baseMs: 5,
      texts: ['a', 'b'],
      shapes: [[0, 9, 200, 1, 1]],
      attributes: undefined,
    };
    const json = encodeHeader(header).toString();
    for (const more of [json.replace('{', '{"new":[[7]],'), json.replace(/}$/, ',"new":{"shapes":[[7]]}}')]) {
      const { shapes } = decodeHeader(Buffer.from(more));
      expect(allOf(shapes)).toEqual(allOf(shapesOf(header)));
    }
  });
});
