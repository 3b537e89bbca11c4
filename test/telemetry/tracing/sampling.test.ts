// Sampling of traces: the same decision in every process.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ratioSampler } from '../../../src/telemetry/tracing/sampling.ts';

const traceId = fc.stringMatching(/^[0-9a-f]{32}$/);
const ratio = fc.double({ min: 0, max: 1, noNaN: true });

describe('ratioSampler', () => {
  it('samples a subset of what a larger ratio samples, by the last seven bytes alone', () => {
    fc.assert(
      fc.property(traceId, ratio, ratio, (id, a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)];
        if (ratioSampler(small, true)(id, undefined))
          expect(ratioSampler(large, true)(id, undefined)).toBe(true);
        const other = `${'0'.repeat(18)}${id.slice(18)}`;
        expect(ratioSampler(a, true)(other, undefined)).toBe(ratioSampler(a, false)(id, undefined));
      }),
    );
  });

  it('samples all traces with ratio 1 and none with ratio 0', () => {
    for (const id of ['0'.repeat(32), 'f'.repeat(32), `${'f'.repeat(18)}${'0'.repeat(14)}`]) {
      expect(ratioSampler(1, true)(id, undefined)).toBe(true);
      expect(ratioSampler(0, true)(id, undefined)).toBe(false);
    }
  });

  it('samples about `ratio` of random ids', () => {
    const sampler = ratioSampler(0.1, true);
    let seed = 1;
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      let id = '';
      while (id.length < 32) {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        id += (seed >>> 16).toString(16).padStart(4, '0');
      }
      if (sampler(id, undefined)) taken++;
    }
    expect(taken / 20_000).toBeCloseTo(0.1, 1);
  });

  it('agrees with OpenTelemetry’s threshold', () => {
    // 0.25 has the threshold c0000000000000 (tracestate `ot=th:c`).
    const sampler = ratioSampler(0.25, true);
    expect(sampler(`${'0'.repeat(18)}c0000000000000`, undefined)).toBe(true);
    expect(sampler(`${'0'.repeat(18)}bfffffffffffff`, undefined)).toBe(false);
  });

  it('follows the client’s decision if `followsParent` is set', () => {
    for (const parent of [true, false]) {
      expect(ratioSampler(parent ? 0 : 1, true)('f'.repeat(32), parent)).toBe(parent);
      expect(ratioSampler(parent ? 0 : 1, false)('f'.repeat(32), parent)).toBe(!parent);
    }
  });
});
