// The order of the spans of a trace.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inTreeOrder, MAX_DEPTH } from '../../../../src/control/admin/records/span-order.ts';

const span = (spanId: string, parentSpanId: string, start: number) => ({
  spanId,
  parentSpanId,
  startNs: BigInt(start),
});
const shown = (spans: Parameters<typeof inTreeOrder>[0]) =>
  [...inTreeOrder(spans)].map(({ span: { spanId }, depth, children }) => [spanId, depth, children]);

describe('the spans of a trace', () => {
  it('stand behind their parents, those of one parent by their begin', () => {
    expect(
      shown([span('c', 'a', 5), span('a', '', 1), span('b', 'a', 2), span('d', 'b', 3), span('e', '', 4)]),
    ).toEqual([
      ['a', 0, 2],
      ['b', 1, 1],
      ['d', 2, 0],
      ['c', 1, 0],
      ['e', 0, 0],
    ]);
  });

  it('are at the top if their parent is not recorded, or is itself', () => {
    expect(shown([span('a', 'x', 2), span('b', 'b', 1)])).toEqual([
      ['b', 0, 0],
      ['a', 0, 0],
    ]);
  });

  it('of a chain of 5,000 are all there, in order', () => {
    const chain = Array.from({ length: 5000 }, (_, i) =>
      span(String(i), i === 0 ? '' : String(i - 1), 5000 - i),
    );
    const ordered = [...inTreeOrder(chain)];
    expect(ordered.map(({ span: { spanId } }) => Number(spanId))).toEqual(chain.map((_, i) => i));
    expect(ordered.at(-1)!.depth).toBe(MAX_DEPTH);
  });

  it('are each there once behind their parents, whatever ids and parents other programs post', () => {
    const id = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e');
    fc.assert(
      fc.property(fc.array(fc.tuple(id, id, fc.nat(9)), { maxLength: 12 }), (given) => {
        const spans = given.map(([one, parent, start]) => span(one, parent, start));
        const ordered = [...inTreeOrder(spans)];
        expect(new Set(ordered.map(({ span: one }) => one)).size).toBe(spans.length);
        expect(ordered.reduce((sum, { children }) => sum + children, 0)).toBe(
          ordered.filter(({ depth }) => depth > 0).length,
        );
        for (const [i, { depth, span: one }] of ordered.entries()) {
          if (depth === 0) continue;
          const above = ordered.slice(0, i).findLast((other) => other.depth === depth - 1)!;
          expect(above.span.spanId).toBe(one.parentSpanId);
        }
      }),
    );
  });
});
