// Which price a model has at which time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wildcard } from '../../../src/core/wildcard.ts';
import { PriceTable } from '../../../src/telemetry/llm/price-table.ts';
import type { PriceEntry } from '../../../src/telemetry/llm/options.ts';

const entry = (model: string, input: number, valid_from?: number): PriceEntry => ({
  model,
  input,
  output: 2 * input,
  valid_from,
});
/** The input price, which names the entry in these tests. */
const found = (table: PriceTable, model: string, nowMs = 0): number | undefined =>
  table.priceOf(model, nowMs)?.input;

describe('a price table', () => {
  it('gives the first entry that matches the name', () => {
    const table = new PriceTable(
      [[entry('gpt-4o-mini*', 1), entry('gpt-4o', 2), entry('gpt-4o*', 3), entry('*', 4)]],
      'USD',
    );
    expect(found(table, 'gpt-4o-mini-2024-07-18')).toBe(1);
    expect(found(table, 'gpt-4o')).toBe(2);
    expect(found(table, 'gpt-4o-2024-08-06')).toBe(3);
    expect(found(table, 'GPT-4o')).toBe(4);
    expect(found(table, '')).toBe(4);
  });

  it('has no price for a name that no entry matches', () => {
    const table = new PriceTable([[entry('gpt-4o', 1), entry('llama-*', 2)]], 'USD');
    for (const model of ['gpt-4', 'my-llama-3', '', '*']) expect(table.priceOf(model, 0)).toBeUndefined();
  });

  it('gives an entry with * before a later one with the whole name', () => {
    const table = new PriceTable([[entry('a*', 1, 10), entry('abc', 2)]], 'USD');
    expect([9, 10].map((nowMs) => found(table, 'abc', nowMs))).toEqual([2, 1]);
  });

  it('takes the latest of the entries of a model that are valid, whatever their order', () => {
    const list = [entry('a', 3, 30), entry('a', 1), entry('a', 2, 20)];
    const table = new PriceTable([list], 'USD');
    expect([0, 19, 20, 29, 30, 99].map((nowMs) => found(table, 'a', nowMs))).toEqual([1, 1, 2, 2, 3, 3]);
    // The clock may be set back.
    expect([29, 0].map((nowMs) => found(table, 'a', nowMs))).toEqual([2, 1]);
  });

  it('leaves a name to later entries until the first one is valid', () => {
    const table = new PriceTable([[entry('a', 1, 10), entry('a*', 2, 5), entry('*', 3)]], 'USD');
    expect([4, 5, 9, 10].map((nowMs) => found(table, 'a', nowMs))).toEqual([3, 2, 2, 1]);
  });

  it('tries one list before the other, even if the same model has a later price there', () => {
    const table = new PriceTable([[entry('a', 1, 10)], [entry('a', 2), entry('a', 3, 20)]], 'USD');
    expect([9, 10, 20].map((nowMs) => found(table, 'a', nowMs))).toEqual([2, 1, 1]);
  });

  it('uses the input price for cached and the output price for reasoning tokens without own prices', () => {
    const table = new PriceTable(
      [[entry('a', 1), { model: 'b', input: 1, output: 2, cached: 0, reasoning: 3 }]],
      'EUR',
    );
    expect(table.priceOf('a', 0)).toEqual({ input: 1, output: 2, cached: 1, reasoning: 2, currency: 'EUR' });
    expect(table.priceOf('b', 0)).toEqual({ input: 1, output: 2, cached: 0, reasoning: 3, currency: 'EUR' });
  });

  it('gives the same price for more names than it remembers', () => {
    const table = new PriceTable([[entry('a*', 1), entry('*', 2)]], 'USD');
    for (let round = 0; round < 2; round++)
      for (let i = 0; i < 2500; i++) {
        expect(found(table, `a${i}`)).toBe(1);
        expect(found(table, `b${i}`)).toBe(2);
      }
  });
});

const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 });
const time = fc.integer({ min: 0, max: 5 });
const entries = fc.uniqueArray(
  fc.record({ model: pattern, valid_from: fc.option(time, { nil: undefined }) }),
  { selector: ({ model, valid_from }) => `${model} ${valid_from}`, maxLength: 8 },
);

/** The rule as the docs say it, one list after the other. */
function expected(
  lists: readonly (readonly PriceEntry[])[],
  model: string,
  nowMs: number,
): number | undefined {
  for (const list of lists)
    for (const first of list) {
      if (!wildcard(first.model)(model)) continue;
      const valid = list
        .filter((one) => one.model === first.model && (one.valid_from ?? -1) <= nowMs)
        .toSorted((a, b) => (b.valid_from ?? -1) - (a.valid_from ?? -1));
      if (valid.length > 0) return valid[0]!.input;
    }
  return undefined;
}

it('a price table finds what a search through all entries finds, at any time and in any order', () => {
  fc.assert(
    fc.property(entries, entries, fc.array(fc.tuple(name, time), { minLength: 1 }), (one, two, lookups) => {
      let input = 0;
      const lists = [one, two].map((list) => list.map((of) => entry(of.model, ++input, of.valid_from)));
      const table = new PriceTable(lists, 'USD');
      for (const [model, nowMs] of lookups)
        expect(found(table, model, nowMs)).toBe(expected(lists, model, nowMs));
    }),
    { numRuns: 500 },
  );
});
