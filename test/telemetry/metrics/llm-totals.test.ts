// Totals of language models, compared with sums over the same facts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../../src/core/errors.ts';
import type { Exchange } from '../../../src/core/exchange/exchange.ts';
import { LlmFacts, UNKNOWN } from '../../../src/core/exchange/llm-facts.ts';
import {
  LlmTotals,
  streamEnds,
  tokenTypes,
  usages,
  type LlmTotalsReading,
} from '../../../src/telemetry/metrics/llm-totals.ts';

const START_MS = 1000;

/** Facts of a stream whose events with content came at these times after its start, in milliseconds. */
function stream(timesMs: readonly number[], changes: Partial<LlmFacts> = {}): LlmFacts {
  const facts = new LlmFacts();
  facts.isStream = facts.isFinished = true;
  for (const ms of timesMs) facts.tokenCame(START_MS + ms);
  return Object.assign(facts, changes);
}

const plain = (changes: Partial<LlmFacts>): LlmFacts =>
  Object.assign(new LlmFacts(), { isFinished: true }, changes);

interface Ended {
  readonly deployment?: number;
  readonly cause?: Cause;
  readonly status?: number;
  readonly leasedMs?: number;
  readonly endMs?: number;
}

const closed = (llm: LlmFacts | undefined, ended: Ended = {}): Exchange =>
  ({
    deployment: 0,
    cause: 'ok',
    status: 200,
    startMs: START_MS,
    leasedMs: START_MS,
    endMs: START_MS + 1000,
    ...ended,
    llm,
  }) as Exchange;

const totalsOf = (exchanges: readonly Exchange[], models: readonly string[] = []): LlmTotals => {
  const totals = new LlmTotals(2, { models, max_models: 64 });
  for (const exchange of exchanges) totals.closed(exchange);
  return totals;
};

/** The only block. */
const readOne = (...exchanges: Exchange[]): LlmTotalsReading => {
  const blocks = [...totalsOf(exchanges).read()];
  expect(blocks).toHaveLength(1);
  return blocks[0]!;
};

const tokensOf = (block: LlmTotalsReading) =>
  Object.fromEntries(tokenTypes.map((type) => [type, block.tokens(type)]));

const responsesOf = (block: LlmTotalsReading, isStream: boolean) =>
  Object.fromEntries(usages.map((usage) => [usage, block.responses(isStream, usage)]));

const endsOf = (block: LlmTotalsReading) =>
  Object.fromEntries(streamEnds.map((end) => [end, block.unfinished(end)]));

describe('LlmTotals', () => {
  it('has the time to first token, times between tokens and tokens per second of a stream', () => {
    const block = readOne(closed(stream([300, 301, 305, 3300], { outputTokens: 7 })));
    const first = block.histogram('firstToken');
    expect([first.sum, first.count]).toEqual([0.3, 1]);
    expect(first.cumulative[first.bounds.indexOf(0.25)]).toBe(0);
    expect(first.cumulative[first.bounds.indexOf(0.5)]).toBe(1);
    const between = block.histogram('interToken');
    expect(Array.from(between.bounds)).toEqual([
      0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048,
    ]);
    expect(between.cumulative).toEqual([1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    expect([between.sum, between.count]).toEqual([3, 3]);
    const perToken = block.histogram('perToken');
    expect([perToken.sum, perToken.count]).toEqual([0.5, 1]);
    const rate = block.histogram('perSecond');
    expect([rate.sum, rate.count]).toEqual([2, 1]);
  });

  it('counts each time between tokens in the bucket of a histogram with these bounds', () => {
    // In steps that have no rounding.
    const gap = fc.oneof(
      fc.integer({ min: 0, max: 5000 * 64 }).map((steps) => steps / 64),
      fc.integer({ min: 0, max: 12 }).map((power) => 2 ** power),
    );
    const gapsOfStream = fc.array(gap, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(gapsOfStream, { minLength: 1, maxLength: 5 }), (streams) => {
        const exchanges = streams.map((gaps) => {
          const times = [0];
          for (const ms of gaps) times.push(times.at(-1)! + ms);
          return closed(stream(times));
        });
        const gaps = streams.flat();
        const { cumulative, count, sum } = readOne(...exchanges).histogram('interToken');
        expect(cumulative).toEqual(
          cumulative.map((_, power) => gaps.filter((ms) => ms <= 2 ** power).length),
        );
        expect(count).toBe(gaps.length);
        expect(sum).toBeCloseTo(gaps.reduce((all, ms) => all + ms, 0) / 1000, 6);
      }),
    );
  });

  it('counts estimates in times and rates, never in tokens or cost', () => {
    const block = readOne(closed(stream([0, 100, 200], { inputTokens: 5 })));
    expect(tokensOf(block)).toEqual({ input: 5 });
    expect(responsesOf(block, true)).toEqual({ reported: 0, estimated: 1, missing: 0 });
    expect(block.histogram('perToken')).toMatchObject({ sum: 0.1, count: 1 });
    expect(block.histogram('perSecond')).toMatchObject({ sum: 10, count: 1 });
    expect([...block.costs()]).toEqual([]);
  });

  it('counts no rate if all tokens came at once', () => {
    const block = readOne(closed(stream([50, 50, 50], { outputTokens: 3 })));
    expect(block.histogram('perSecond')).toMatchObject({ sum: 0, count: 0 });
    expect(block.histogram('interToken')).toMatchObject({ sum: 0, count: 2 });
    expect(block.histogram('perToken')).toMatchObject({ sum: 0, count: 1 });
  });

  it('counts no times of a stream whose times are not known', () => {
    const facts = stream([], { outputTokens: 3 });
    for (let i = 0; i < 3; i++) facts.tokenCame(0);
    const block = readOne(closed(facts));
    expect(tokensOf(block)).toEqual({ output: 3 });
    for (const name of ['firstToken', 'interToken', 'perToken', 'perSecond'] as const)
      expect(block.histogram(name).count).toBe(0);
  });

  it('has the rate of a plain response from the replica’s turn to its end, and no times of tokens', () => {
    const facts = plain({ inputTokens: 3, outputTokens: 40, cachedTokens: 2, reasoningTokens: 0 });
    const block = readOne(closed(facts, { leasedMs: START_MS + 500, endMs: START_MS + 2500 }));
    expect(block.histogram('perSecond')).toMatchObject({ sum: 20, count: 1 });
    expect(block.histogram('firstToken').count).toBe(0);
    expect(tokensOf(block)).toEqual({ input: 3, output: 40, cached: 2, reasoning: 0 });
    expect(responsesOf(block, false)).toEqual({ reported: 1, estimated: 0, missing: 0 });
  });

  it('counts no rate of embeddings, and no token types that are not reported', () => {
    const block = readOne(closed(plain({ inputTokens: 8, totalTokens: 8 })));
    expect(tokensOf(block)).toEqual({ input: 8 });
    expect(block.histogram('perSecond').count).toBe(0);
    expect(responsesOf(block, false)).toEqual({ reported: 1, estimated: 0, missing: 0 });
  });

  it('counts a plain response without usage as missing', () => {
    expect(responsesOf(readOne(closed(plain({ finishReason: 'stop' }))), false)).toEqual({
      reported: 0,
      estimated: 0,
      missing: 1,
    });
  });

  it('counts unfinished streams by what ended them', () => {
    const unfinished = { isFinished: false };
    const error = { message: 'out of memory', type: '' };
    const block = readOne(
      closed(stream([1, 2])),
      closed(stream([1], unfinished), { cause: 'client_gone', status: 499 }),
      closed(stream([1], { ...unfinished, error }), { cause: 'client_gone', status: 499 }),
      closed(stream([1], unfinished), { cause: 'reset_midway' }),
      closed(stream([1], unfinished)),
      closed(stream([1]), { cause: 'client_gone', status: 499 }),
    );
    expect(endsOf(block)).toEqual({ error: 1, client_gone: 1, cut: 2 });
    expect(responsesOf(block, true)).toEqual({ reported: 0, estimated: 6, missing: 0 });
  });

  it('adds costs by currency, and none that is not known', () => {
    const price = { input: 1, output: 2, cached: 1, reasoning: 2, currency: 'USD' };
    const block = readOne(
      closed(plain({ price, cost: 0.25 })),
      closed(plain({ price, cost: 0.5 })),
      closed(plain({ price, cost: NaN })),
      closed(plain({ price: { ...price, currency: 'EUR' }, cost: 0 })),
      closed(plain({})),
    );
    expect([...block.costs()]).toEqual([
      ['USD', 0.75],
      ['EUR', 0],
    ]);
  });

  it('counts a failed request for its model only if the model has responded', () => {
    const model = 'gpt-4';
    const named = (name: string) => Object.assign(new LlmFacts(), { model: name });
    const refused = { cause: 'rate_limited', status: 429 } as const;
    const totals = totalsOf(
      [
        closed(named(model), refused),
        closed(plain({ model })),
        closed(named(model), { status: 503 }),
        closed(named('no-such-model'), { status: 404 }),
        // Not of a language model, although the request has a field `model`.
        closed(named(model)),
      ],
      ['*'],
    );
    expect(Array.from(totals.read(), ({ model: label, failed }) => [label, failed])).toEqual([
      ['other', 2],
      [model, 1],
    ]);
  });

  it('has blocks by deployment and model, and none for requests without facts or deployment', () => {
    const totals = totalsOf(
      [
        closed(plain({ model: 'a', outputTokens: 1 })),
        closed(plain({ responseModel: 'b', outputTokens: 2 }), { deployment: 1 }),
        closed(plain({ model: 'a', responseModel: 'b', outputTokens: 4 }), { deployment: 1 }),
        closed(plain({ model: 'c', outputTokens: 8 }), { deployment: 1 }),
        closed(plain({ model: 'a', outputTokens: 16 }), { deployment: -1 }),
        closed(undefined),
      ],
      ['a', 'b'],
    );
    expect(
      Array.from(totals.read(), (block) => [block.deployment, block.model, block.tokens('output')]),
    ).toEqual([
      [0, 'a', 1],
      [1, 'other', 8],
      [1, 'a', 4],
      [1, 'b', 2],
    ]);
  });

  it('never takes an unknown count for a number', () => {
    const block = readOne(closed(stream([], { outputTokens: UNKNOWN, inputTokens: UNKNOWN })));
    expect(tokensOf(block)).toEqual({});
    expect(responsesOf(block, true)).toEqual({ reported: 0, estimated: 0, missing: 1 });
  });
});
