// Prices of the configuration and of the admin API together: the cost of requests, and what is stored.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { LlmFacts } from '../../../src/core/exchange/llm-facts.ts';
import { Logger, type LineSink } from '../../../src/core/logger.ts';
import { Prices } from '../../../src/telemetry/llm/prices.ts';
import type { PriceEntry } from '../../../src/telemetry/llm/options.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterAll(removeFolders);

const CONFIGURED: PriceEntry = { model: 'gpt-*', input: 2, output: 8 };
const stored = (input: number, more: object = {}) => ({
  prices: [{ model: 'gpt-4o', input, output: 10, ...more }],
});

interface Open {
  readonly prices: Prices;
  readonly lines: { event: string; level: string; problem?: string }[];
}
async function open(path: string | undefined, currency = 'USD', prices = [CONFIGURED]): Promise<Open> {
  const lines: Open['lines'] = [];
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as Open['lines'][number]) };
  const log = new Logger(sink as unknown as LineSink, { level: 'info', isText: false });
  const opened = new Prices({ follow: true, models: [], max_models: 64, currency, prices }, path, log);
  await opened.start();
  return { prices: opened, lines };
}

/** Facts of a request with a million tokens of input and none of output, so that its cost is the input price. */
const factsOf = (model: string, responseModel = ''): LlmFacts =>
  Object.assign(new LlmFacts(), { model, responseModel, inputTokens: 1_000_000, outputTokens: 0 });
function costOf(prices: Prices, model: string, responseModel = '', nowMs = Date.now()): number {
  const facts = factsOf(model, responseModel);
  prices.setCost(facts, nowMs);
  return facts.cost;
}

async function problemsOf(prices: Prices, value: unknown): Promise<readonly string[]> {
  const replaced = await prices.replace(value);
  return 'problems' in replaced ? replaced.problems : [];
}

describe('the cost of a request', () => {
  it('is stored with the price that held', async () => {
    const { prices } = await open(undefined);
    const facts = factsOf('gpt-4o');
    prices.setCost(facts, Date.now());
    expect(facts.cost).toBe(2);
    expect(facts.price).toEqual({ input: 2, output: 8, cached: 2, reasoning: 8, currency: 'USD' });
  });

  it('is not known without a price', async () => {
    const { prices } = await open(undefined);
    const facts = factsOf('llama', 'llama-3');
    prices.setCost(facts, Date.now());
    expect(facts.cost).toBeNaN();
    expect(facts.price).toBeUndefined();
  });

  it('is not known without tokens, but the price is', async () => {
    const { prices } = await open(undefined);
    const facts = Object.assign(new LlmFacts(), { model: 'gpt-4o' });
    prices.setCost(facts, Date.now());
    expect(facts.cost).toBeNaN();
    expect(facts.price).toMatchObject({ input: 2 });
  });

  it('is that of the model in the request, or else of the model in the response', async () => {
    const prices = [
      { model: 'a', input: 1, output: 1 },
      { model: 'b', input: 2, output: 2 },
    ];
    const opened = await open(undefined, 'USD', prices);
    expect(costOf(opened.prices, 'a', 'b')).toBe(1);
    expect(costOf(opened.prices, 'alias', 'b')).toBe(2);
    expect(costOf(opened.prices, '', 'b')).toBe(2);
    expect(costOf(opened.prices, 'alias', 'alias')).toBeNaN();
    expect(costOf(opened.prices, '', '')).toBeNaN();
  });

  it('has the price that is valid when the request ends', async () => {
    const prices = [CONFIGURED, { ...CONFIGURED, input: 3, valid_from: Date.UTC(2026, 11, 1) }];
    const opened = await open(undefined, 'USD', prices);
    expect(costOf(opened.prices, 'gpt-4o', '', Date.UTC(2026, 11, 1) - 1)).toBe(2);
    expect(costOf(opened.prices, 'gpt-4o', '', Date.UTC(2026, 11, 1))).toBe(3);
  });

  it('is known to observers that come after the prices', async () => {
    const { prices } = await open(undefined);
    const exchanges = new Exchanges({ trust_inbound: false });
    const seen: unknown[] = [];
    exchanges.observe(prices.observer);
    exchanges.observe({ closed: ({ llm }) => void seen.push(llm?.cost) });
    const priced = exchanges.open(undefined);
    priced.llmSource = { end: () => factsOf('gpt-4o') };
    priced.close('ok', 200);
    exchanges.open(undefined).close('ok', 200);
    expect(seen).toEqual([2, undefined]);
  });
});

describe('requests without a price', () => {
  const end = (prices: Prices, model: string): void => {
    const exchanges = new Exchanges({} as never);
    exchanges.observe(prices.observer);
    const exchange = exchanges.open(undefined);
    exchange.llm = factsOf(model);
    exchange.close('ok', 200);
  };

  it('are counted by model, and those of models that got a price meanwhile are left out', async () => {
    const { prices } = await open(folder());
    for (const model of ['llama', 'gpt-4o', 'llama', 'qwen', '']) end(prices, model);
    const models = () =>
      prices.unpriced
        .list((model) => prices.priceOf(model, Date.now()) !== undefined)
        .map(({ model, requests }) => [model, requests]);
    expect(prices.unpriced.requests).toBe(3);
    expect(models()).toEqual([
      ['llama', 2],
      ['qwen', 1],
    ]);
    await prices.add({ model: 'llama', input: 1, output: 1 });
    expect(models()).toEqual([['qwen', 1]]);
  });

  it('are counted for at most 200 models', async () => {
    const { prices } = await open(undefined);
    for (let i = 0; i < 300; i++) end(prices, `model-${i}`);
    expect(prices.unpriced.requests).toBe(300);
    expect(prices.unpriced.list(() => false)).toHaveLength(200);
  });
});

describe('prices of the API', () => {
  it('come before those of the configuration, at once and after a restart', async () => {
    const path = folder();
    const { prices, lines } = await open(path);
    expect(await prices.replace(stored(5))).toEqual({ shown: prices.shown });
    expect(costOf(prices, 'gpt-4o')).toBe(5);
    expect(costOf(prices, 'gpt-4')).toBe(2);
    expect(lines).toMatchObject([{ level: 'info', event: 'prices changed', entries: 1 }]);
    const again = await open(path);
    expect(again.prices.shown).toEqual(prices.shown);
    expect(costOf(again.prices, 'gpt-4o')).toBe(5);
    expect(again.lines).toEqual([]);
  });

  it('are gone after an empty list', async () => {
    const path = folder();
    const { prices } = await open(path);
    await prices.replace(stored(5));
    await prices.replace({ prices: [] });
    expect(costOf(prices, 'gpt-4o')).toBe(2);
    expect(costOf((await open(path)).prices, 'gpt-4o')).toBe(2);
  });

  it('survive a restart with all their fields', async () => {
    const path = folder();
    const { prices } = await open(path, 'EUR');
    const from = '2026-12-01T01:00:00+01:00';
    await prices.replace(stored(5, { cached: 1, reasoning: null, valid_from: from }));
    expect((await open(path, 'EUR')).prices.shown).toMatchObject({
      currency: 'EUR',
      prices: [
        {
          model: 'gpt-4o',
          input: 5,
          output: 10,
          cached: 1,
          reasoning: 10,
          valid_from: '2026-12-01T00:00:00.000Z',
          source: 'api',
        },
        { ...CONFIGURED, cached: 2, reasoning: 8, valid_from: null, source: 'config' },
      ],
    });
  });

  it('are those of the last of many changes at once', async () => {
    const path = folder();
    const { prices } = await open(path);
    await Promise.all(Array.from({ length: 20 }, (_, i) => prices.replace(stored(i))));
    expect(costOf(prices, 'gpt-4o')).toBe(19);
    expect(costOf((await open(path)).prices, 'gpt-4o')).toBe(19);
    expect(readdirSync(path)).toEqual(['prices.json']);
  });

  it('stay as they are if a change is not valid', async () => {
    const path = folder();
    const { prices } = await open(path);
    await prices.replace(stored(5));
    const before = readFileSync(join(path, 'prices.json'), 'utf8');
    expect(await problemsOf(prices, stored(-1))).toHaveLength(1);
    expect(costOf(prices, 'gpt-4o')).toBe(5);
    expect(readFileSync(join(path, 'prices.json'), 'utf8')).toBe(before);
  });

  it('stay as they are if a change cannot be written', async () => {
    const path = folder();
    const { prices } = await open(path);
    await prices.replace(stored(5));
    const file = join(path, 'prices.json');
    // A folder of this name cannot be replaced by a file.
    rmSync(file);
    mkdirSync(file);
    await expect(prices.replace(stored(6))).rejects.toThrow('prices.json');
    rmdirSync(file);
    expect(costOf(prices, 'gpt-4o')).toBe(5);
    expect(await problemsOf(prices, stored(7))).toEqual([]);
    expect(costOf(prices, 'gpt-4o')).toBe(7);
  });

  it('have the currency of the configuration', async () => {
    const { prices } = await open(folder(), 'EUR');
    expect(await problemsOf(prices, { currency: 'USD', ...stored(5) })).toEqual([
      'currency: is USD, must be EUR as in llm.currency, since all prices have one currency',
    ]);
    expect(await problemsOf(prices, { currency: 'EUR', ...stored(5) })).toEqual([]);
    expect(prices.shown.currency).toBe('EUR');
  });

  it('in another currency than the configuration are not used, and come back with their currency', async () => {
    const path = folder();
    await (await open(path, 'USD')).prices.replace(stored(5));
    const { prices, lines } = await open(path, 'EUR');
    expect(costOf(prices, 'gpt-4o')).toBe(2);
    expect(lines).toMatchObject([{ level: 'error', event: 'stored prices are unusable' }]);
    expect(lines[0]!.problem).toContain('has prices in USD, but llm.currency is EUR');
    expect(costOf((await open(path, 'USD')).prices, 'gpt-4o')).toBe(5);
  });
});

describe('a file of prices', () => {
  it.each([
    ['is cut off', '{"currency": "USD", "prices": [{"mod', 'is not valid JSON'],
    ['is empty', '', 'is not valid JSON'],
    ['has no list', '{}', 'prices: is missing'],
    ['has an entry that is not valid', JSON.stringify(stored(-5)), 'prices[0].input is -5'],
    ['is a list', '[]', 'prices are sent as an object'],
  ])('that %s is set aside, and the prices of the configuration hold', async (_, text, why) => {
    const path = folder({ 'prices.json': text });
    const { prices, lines } = await open(path);
    expect(costOf(prices, 'gpt-4o')).toBe(2);
    expect(lines).toMatchObject([{ level: 'error', event: 'stored prices are unusable' }]);
    expect(lines[0]!.problem).toContain(why);
    const [aside, ...others] = readdirSync(path);
    expect(others).toEqual([]);
    expect(aside).toMatch(/^prices\.json\.damaged-\d+$/);
    expect(readFileSync(join(path, aside!), 'utf8')).toBe(text);
    await prices.replace(stored(5));
    expect(costOf((await open(path)).prices, 'gpt-4o')).toBe(5);
  });

  it('that cannot be read does not prevent the start', async () => {
    const path = folder();
    mkdirSync(join(path, 'prices.json'));
    const { prices, lines } = await open(path);
    expect(costOf(prices, 'gpt-4o')).toBe(2);
    expect(lines).toMatchObject([{ event: 'stored prices are unusable' }]);
    expect(lines[0]!.problem).toContain('cannot read');
  });

  it('may have been written by hand', async () => {
    const path = folder();
    writeFileSync(join(path, 'prices.json'), JSON.stringify(stored(5)));
    expect(costOf((await open(path)).prices, 'gpt-4o')).toBe(5);
  });
});
