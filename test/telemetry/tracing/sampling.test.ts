// Which traces are sampled: the same ones everywhere.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ratioSampler } from '../../../src/telemetry/tracing/sampling.ts';

const traceId = fc.stringMatching(/^[0-9a-f]{32}$/);
const ratio = fc.double({ min: 0, max: 1, noNaN: true });

describe('a ratio', () => {
  it('takes what every larger one takes as well, and goes by the last seven bytes alone', () => {
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

  it('of 1 takes all and of 0 none, also at the edges', () => {
    for (const id of ['0'.repeat(32), 'f'.repeat(32), `${'f'.repeat(18)}${'0'.repeat(14)}`]) {
      expect(ratioSampler(1, true)(id, undefined)).toBe(true);
      expect(ratioSampler(0, true)(id, undefined)).toBe(false);
    }
  });

  it('takes about that part of random ids', () => {
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

  it('agrees with OpenTelemetry’s threshold: the part above it is taken', () => {
    // 0.25 has the threshold c0000000000000 (tracestate `ot=th:c`).
    const sampler = ratioSampler(0.25, true);
    expect(sampler(`${'0'.repeat(18)}c0000000000000`, undefined)).toBe(true);
    expect(sampler(`${'0'.repeat(18)}bfffffffffffff`, undefined)).toBe(false);
  });

  it('gives way to what the caller decided, where it is to', () => {
    for (const parent of [true, false]) {
      expect(ratioSampler(parent ? 0 : 1, true)('f'.repeat(32), parent)).toBe(parent);
      expect(ratioSampler(parent ? 0 : 1, false)('f'.repeat(32), parent)).toBe(!parent);
    }
  });
});
