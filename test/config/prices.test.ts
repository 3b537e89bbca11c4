// Prices in a configuration: what is read, and what is rejected before the start.
import { afterAll, describe, expect, it } from 'vitest';
import { explain, load } from '../../src/config/config.ts';
import { folder, removeFolders } from '../kit/folder.ts';

afterAll(removeFolders);

const loaded = (...lines: string[]) => {
  const path = folder({ 'weir.yaml': ['llm:', ...lines.map((line) => `  ${line}`), ''].join('\n') });
  return load(['--replica=http://127.0.0.1:9', '--config', `${path}/weir.yaml`], {});
};
const withPrices = (...entries: string[]) => loaded('prices:', ...entries.map((entry) => `  - ${entry}`));
const price = (model: string, more = '') => `{ model: '${model}', input: 1, output: 2${more} }`;

function problemsOf(result: ReturnType<typeof load>): string[] {
  if (result.ok) throw new Error('the configuration is valid');
  return result.problems.map((problem) => problem.replace(/^\S*weir\.yaml:/, 'weir.yaml:'));
}

it('prices are read as they are written, in order', () => {
  const result = withPrices(
    "{ model: 'gpt-4o-mini*', input: 0.15, cached: 0.075, output: 0.60, reasoning: 0 }",
    '{ model: gpt-4o, input: 2.5, output: 10, valid_from: 2026-12-01 }',
  );
  if (!result.ok) throw new Error(result.problems.join());
  expect(result.config.llm).toMatchObject({
    currency: 'USD',
    prices: [
      { model: 'gpt-4o-mini*', input: 0.15, cached: 0.075, output: 0.6, reasoning: 0 },
      { model: 'gpt-4o', input: 2.5, output: 10, valid_from: Date.UTC(2026, 11, 1) },
    ],
  });
  const shown = Object.fromEntries(
    explain(result.config, result.given).map(({ key, value }) => [key, value]),
  );
  expect(shown).toMatchObject({
    'llm.prices[0].cached': '0.075',
    'llm.prices[1].cached': '',
    'llm.prices[1].valid_from': '2026-12-01T00:00:00.000Z',
  });
});

it.each(['usd', 'EURO', '$'])('the currency %j is rejected', (currency) => {
  expect(problemsOf(loaded(`currency: '${currency}'`))).toEqual([
    `weir.yaml:2: llm.currency is "${currency}", must be three capital letters, such as USD or EUR`,
  ]);
});

describe('a price is rejected', () => {
  const number = 'must be a number from 0 to 1000000000, such as 0.15';

  it.each([
    ['without a model', '{ input: 1, output: 2 }', 'llm.prices[0].model is missing, must be a model name'],
    ['without an input', '{ model: a, output: 2 }', `llm.prices[0].input is missing, ${number}`],
    ['without an output', '{ model: a, input: 1 }', `llm.prices[0].output is missing, ${number}`],
    ['below 0', '{ model: a, input: -1, output: 2 }', `llm.prices[0].input is -1, ${number}`],
    ['as text', "{ model: a, input: '0.15', output: 2 }", `llm.prices[0].input is "0.15", ${number}`],
    ['that is infinite', '{ model: a, input: .inf, output: 2 }', `llm.prices[0].input is null, ${number}`],
    [
      'that is not a number',
      '{ model: a, input: .nan, output: 2 }',
      `llm.prices[0].input is null, ${number}`,
    ],
    [
      'with a year as its time',
      price('a', ', valid_from: 2026'),
      'llm.prices[0].valid_from is 2026, must be a time such as 2026-12-01 or 2026-12-01T08:00:00Z (without a zone: UTC)',
    ],
    [
      'with an empty model',
      price(''),
      'llm.prices[0].model is "", must be the name of a model, which may contain *: 1 to 256 visible ASCII characters',
    ],
    [
      'with a mistyped setting',
      price('a', ', cache: 1'),
      'unknown setting "llm.prices[0].cache"; did you mean "cached"?',
    ],
  ])('%s', (_, entry, problem) => {
    expect(problemsOf(withPrices(entry))).toEqual([`weir.yaml:3: ${problem}`]);
  });
});

describe('two prices', () => {
  it('of the same model from the same time on are rejected', () => {
    const from = ', valid_from: 2026-12-01';
    expect(problemsOf(withPrices(price('b'), price('a', from), price('a', `${from}T00:00:00Z`)))).toEqual([
      'llm.prices[2]: llm.prices[1] has the same model "a" and the same valid_from; remove one of them, or change its valid_from',
    ]);
    expect(problemsOf(withPrices(price('a*'), price('a*')))).toHaveLength(1);
  });

  it('of the same model from different times on are accepted, in any order', () => {
    const later = price('a*', ', valid_from: 2026-12-01');
    expect(withPrices(later, price('a*'))).toMatchObject({ ok: true });
    expect(withPrices(price('a*'), later)).toMatchObject({ ok: true });
  });

  it.each([
    ['gpt-4o*', 'gpt-4o-mini'],
    ['gpt-4o*', 'gpt-4o-mini*'],
    ['*', '*a*'],
    ['*a*b*', 'a*b'],
  ])('of which the second can never apply are rejected: %s before %s', (first, second) => {
    expect(problemsOf(withPrices(price(first), price(second)))).toEqual([
      `llm.prices[1]: ${JSON.stringify(second)} never gets this price, since llm.prices[0] ${JSON.stringify(first)} matches the same names before it; move it in front of that one`,
    ]);
    expect(withPrices(price(second), price(first))).toMatchObject({ ok: true });
  });

  it.each([
    ['gpt-4o', 'gpt-4o*'],
    ['a*', '*a'],
    ['*a*b', 'a*b*'],
    ['a*a', 'a'],
  ])('of which the second applies to other names are accepted: %s before %s', (first, second) => {
    expect(withPrices(price(first), price(second))).toMatchObject({ ok: true });
  });

  it('of which the second applies until the first begins are accepted', () => {
    const from = (day: string) => `, valid_from: 2026-12-${day}`;
    expect(withPrices(price('*', from('02')), price('a', from('01')))).toMatchObject({ ok: true });
    expect(withPrices(price('*', from('02')), price('a'))).toMatchObject({ ok: true });
    expect(problemsOf(withPrices(price('*', from('02')), price('a', from('02'))))).toHaveLength(1);
    expect(problemsOf(withPrices(price('*', from('01')), price('a', from('02'))))).toHaveLength(1);
  });
});
