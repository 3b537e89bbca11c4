import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GAP_BUCKETS, gapBound, LlmFacts } from '../../../src/core/exchange/llm-facts.ts';

/** Facts of a stream whose tokens came after each of these times, the first one at 1,000 ms. */
function streamed(gaps: readonly number[]): LlmFacts {
  const facts = new LlmFacts();
  facts.isStream = true;
  let nowMs = 1000;
  facts.tokenCame(nowMs);
  for (const gap of gaps) facts.tokenCame((nowMs += gap));
  return facts;
}

/** The bounds of the bucket that holds a time. */
function bucketOf(ms: number): [from: number, to: number] {
  let bucket = 0;
  while (gapBound(bucket) < ms) bucket++;
  const from = bucket === 0 ? 0 : gapBound(bucket - 1);
  return [from, bucket === GAP_BUCKETS - 1 ? 2 * from : gapBound(bucket)];
}

const gap = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 2500 }), fc.constant(60_000));

describe('the times of tokens', () => {
  it('are those of the first and the last event with content', () => {
    const facts = streamed([10, 30, 20]);
    expect(facts).toMatchObject({ contentEvents: 4, firstTokenMs: 1000, lastTokenMs: 1060, meanGapMs: 20 });
    facts.outputTokens = 13;
    expect(facts.msPerToken).toBe(5);
  });

  it('have percentiles that are exact to a bucket', () => {
    fc.assert(
      fc.property(
        fc.array(gap, { minLength: 1, maxLength: 50 }),
        fc.constantFrom(0, 0.01, 0.5, 0.9, 0.99, 1),
        (gaps, part) => {
          const sorted = gaps.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(0, Math.ceil(part * gaps.length) - 1)]!;
          const [from, to] = bucketOf(exact);
          const found = streamed(gaps).gapMs(part);
          expect(found).toBeGreaterThanOrEqual(from);
          expect(found).toBeLessThanOrEqual(to);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are counted once each, in buckets from below 1 ms to above 2,048 ms', () => {
    const facts = streamed([0, 0.5, 1, 1.1, 2, 2048, 2049, 1e9]);
    const counted = Object.entries([...facts.gaps!]).filter(([, count]) => count > 0);
    expect(counted).toEqual([
      ['0', 3],
      ['1', 1],
      ['4', 1],
      ['44', 1],
      ['45', 2],
    ]);
    expect(gapBound(44)).toBe(2048);
    expect(gapBound(45)).toBe(Infinity);
  });

  it('are not known with fewer than two tokens', () => {
    for (const facts of [new LlmFacts(), streamed([])]) {
      expect(facts.gapMs(0.5)).toBeNaN();
      expect(facts.meanGapMs).toBeNaN();
      expect(facts.msPerToken).toBeNaN();
    }
  });

  it('give an estimate of the output only of a stream without usage', () => {
    const facts = streamed([1, 1]);
    expect(facts).toMatchObject({ outputCount: 3, isEstimate: true, outputTokens: -1 });
    facts.outputTokens = 9;
    expect(facts).toMatchObject({ outputCount: 9, isEstimate: false });
    expect(new LlmFacts()).toMatchObject({ outputCount: -1, isEstimate: false });
  });
});
