// What tokens cost, and when the cost is not known.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LlmFacts, UNKNOWN, type TokenPrice } from '../../../src/core/exchange/llm-facts.ts';
import { costOf } from '../../../src/telemetry/llm/cost.ts';

const PRICE: TokenPrice = { input: 2, output: 10, cached: 0.5, reasoning: 20, currency: 'USD' };

const factsOf = (counts: Partial<LlmFacts>): LlmFacts => {
  const facts = Object.assign(new LlmFacts(), counts);
  const { inputTokens, outputTokens } = facts;
  if (inputTokens >= 0 && outputTokens >= 0) facts.totalTokens = inputTokens + outputTokens;
  return facts;
};
const cost = (counts: Partial<LlmFacts>): number => costOf(factsOf(counts), PRICE);

describe('the cost', () => {
  it('is that of input and output tokens', () => {
    expect(cost({ inputTokens: 1_000_000, outputTokens: 100_000 })).toBe(3);
  });

  it('has the cached part of the input and the reasoning part of the output at their prices', () => {
    const counts = { inputTokens: 3000, cachedTokens: 1000, outputTokens: 500, reasoningTokens: 200 };
    expect(cost(counts)).toBeCloseTo((2000 * 2 + 1000 * 0.5 + 300 * 10 + 200 * 20) / 1e6, 12);
  });

  it('of embeddings is that of the input', () => {
    expect(cost({ inputTokens: 500_000, totalTokens: 500_000 })).toBe(1);
  });

  it('is not known without input tokens, or without output tokens', () => {
    expect(cost({})).toBeNaN();
    expect(cost({ outputTokens: 5 })).toBeNaN();
    expect(cost({ inputTokens: 5 })).toBeNaN();
    expect(cost({ inputTokens: 5, totalTokens: 8 })).toBeNaN();
    expect(cost({ totalTokens: 8 })).toBeNaN();
  });

  it('is not known from an estimate of the output', () => {
    const facts = factsOf({ inputTokens: 5, isStream: true });
    facts.tokenCame(1);
    facts.tokenCame(2);
    expect(facts.outputCount).toBe(2);
    expect(costOf(facts, PRICE)).toBeNaN();
  });

  it('is 0 for a model that costs nothing', () => {
    const free = { input: 0, output: 0, cached: 0, reasoning: 0, currency: 'USD' };
    expect(costOf(factsOf({ inputTokens: 5, outputTokens: 5 }), free)).toBe(0);
  });

  it('counts no more cached tokens than input tokens, and no more reasoning tokens than output tokens', () => {
    expect(cost({ inputTokens: 10, outputTokens: 0, cachedTokens: 50 })).toBeCloseTo((10 * 0.5) / 1e6, 12);
    expect(cost({ inputTokens: 0, outputTokens: 10, reasoningTokens: 50 })).toBeCloseTo((10 * 20) / 1e6, 12);
  });

  const count = fc.oneof(fc.constant(UNKNOWN), fc.nat(), fc.maxSafeNat(), fc.integer({ max: -1 }));
  const amount = fc.oneof(
    fc.nat({ max: 1_000_000 }).map((n) => n / 1000),
    fc.constant(1e9),
  );
  const price = fc.record({ input: amount, output: amount, cached: amount, reasoning: amount });

  it('is never negative or infinite, whatever a replica says', () => {
    fc.assert(
      fc.property(
        count,
        count,
        count,
        count,
        price,
        (inputTokens, outputTokens, cachedTokens, reasoningTokens, of) => {
          const facts = factsOf({ inputTokens, outputTokens, cachedTokens, reasoningTokens });
          const found = costOf(facts, { ...of, currency: 'USD' });
          if (inputTokens < 0 || outputTokens < 0) expect(found).toBeNaN();
          else expect(found >= 0 && found < Infinity, String(found)).toBe(true);
        },
      ),
    );
  });

  it('lies between all tokens at the lowest and all tokens at the highest price', () => {
    const tokens = fc.nat({ max: 1_000_000 });
    fc.assert(
      fc.property(
        tokens,
        tokens,
        count,
        count,
        price,
        (inputTokens, outputTokens, cachedTokens, reasoningTokens, of) => {
          const facts = factsOf({ inputTokens, outputTokens, cachedTokens, reasoningTokens });
          const found = costOf(facts, { ...of, currency: 'USD' }) * 1e6;
          const ends = (pick: (...values: number[]) => number) =>
            inputTokens * pick(of.input, of.cached) + outputTokens * pick(of.output, of.reasoning);
          expect(found).toBeGreaterThanOrEqual(ends(Math.min) * (1 - 1e-9));
          expect(found).toBeLessThanOrEqual(ends(Math.max) * (1 + 1e-9));
        },
      ),
    );
  });
});
