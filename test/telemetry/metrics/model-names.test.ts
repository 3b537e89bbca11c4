// The label `model`: which models have their own series.
import { describe, expect, it } from 'vitest';
import { ModelNames } from '../../../src/telemetry/metrics/model-names.ts';

const make = (models: readonly string[], max_models = 64) => new ModelNames({ models, max_models });
/** The labels of models that respond, one after another. */
const labels = (names: ModelNames, ...models: string[]): string[] =>
  models.map((model) => names.nameOf(names.slotOf(model, true)));

describe('ModelNames', () => {
  it('has one empty label for all models without a list', () => {
    const names = make([]);
    expect(labels(names, 'a', 'b', '')).toEqual(['', '', '']);
    expect([names.count, names.size]).toEqual([1, 1]);
  });

  it('has the names in the list, and those that fit a pattern; others are counted as other', () => {
    const names = make(['gpt-4', 'org/*-chat']);
    expect(labels(names, 'gpt-4', 'org/a-chat', 'org/a', 'gpt-4o', '', 'org/b-chat', 'org/a-chat')).toEqual([
      'gpt-4',
      'org/a-chat',
      'other',
      'other',
      'other',
      'org/b-chat',
      'org/a-chat',
    ]);
  });

  it('limits the names that fit a pattern, and keeps room for the names in the list', () => {
    const names = make(['*', 'listed'], 2);
    expect(labels(names, 'a', 'b', 'c', 'd', 'listed', 'a')).toEqual([
      'a',
      'b',
      'other',
      'other',
      'listed',
      'a',
    ]);
    const slots = Array.from({ length: 5000 }, (_, i) => names.slotOf(`n${i}`, true));
    expect(new Set(slots)).toEqual(new Set([0]));
    expect(names.count).toBe(names.size);
  });

  it('gives a name no series before the model has responded', () => {
    const names = make(['*']);
    expect(names.nameOf(names.slotOf('typo', false))).toBe('other');
    expect(names.count).toBe(1);
    expect(labels(names, 'typo')).toEqual(['typo']);
    expect(names.nameOf(names.slotOf('typo', false))).toBe('typo');
  });

  it('has one series for a model named other and all other models', () => {
    const names = make(['other', '*'], 1);
    expect(labels(names, 'other', 'a', 'b')).toEqual(['other', 'a', 'other']);
  });

  it.each([
    ['is long', 'x'.repeat(129)],
    ['has a line break', 'a\nb'],
    ['is not Unicode', 'a\ud800'],
  ])('counts a name as other that %s', (_, name) => {
    expect(labels(make(['*']), name)).toEqual(['other']);
  });
});
