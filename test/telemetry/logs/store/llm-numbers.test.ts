// Numbers of requests to language models as they are in columns.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LLM_NUMBERS, llmValue, storedNumber } from '../../../../src/telemetry/logs/store/llm-numbers.ts';

const scaleOf = (name: string): number => LLM_NUMBERS.find((one) => one.name === name)!.scale;
const stored = (name: string, value: number): number | undefined =>
  llmValue(storedNumber(value, scaleOf(name)), scaleOf(name));

it('keeps the cost of one cached token, and a cost in a currency of small units', () => {
  for (const cost of [0, 0.0025e-6, 0.000038, 1.5, 4503.5, 4504, 78_000.4, 12_345_678.9012, 4e11])
    expect(stored('cost', cost)).toBe(cost);
});

it('keeps whole numbers of tokens exactly', () => {
  for (const tokens of [0, 1, 2 ** 31, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER - 1])
    expect(stored('total_tokens', tokens)).toBe(tokens);
});

it('has no value for what is not known', () => {
  for (const { name } of LLM_NUMBERS)
    for (const value of [-1, NaN, Infinity, 1e300]) expect(stored(name, value), name).toBeUndefined();
});

it('has a larger number for a larger value, and a value that is almost the same', () => {
  const cost = fc.oneof(
    fc.double({ min: 0, max: 4e11, noNaN: true }),
    fc.double({ min: 4503, max: 4504, noNaN: true }),
  );
  fc.assert(
    fc.property(cost, cost, fc.constantFrom('cost', 'first_token_ms'), (a, b, name) => {
      const scale = scaleOf(name);
      const [low, high] = [storedNumber(Math.min(a, b), scale), storedNumber(Math.max(a, b), scale)];
      expect(low).toBeLessThanOrEqual(high);
      const value = llmValue(storedNumber(a, scale), scale);
      if (name === 'cost') expect(Math.abs(value! - a)).toBeLessThanOrEqual(1e-12 + a * 1.2e-8);
    }),
  );
});
