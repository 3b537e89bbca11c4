// What is left of the calls of scorers.
import { createHook } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runScorers } from '../../../src/telemetry/scoring/run-scorers.ts';
import type { ScorerInput, ScorerResult } from '../../../src/telemetry/scoring/scorer.ts';

const SCORED: ScorerResult = { kind: 'scored', scores: [] };
const scorerOf = (
  score: (input: ScorerInput, signal: AbortSignal) => ScorerResult | Promise<ScorerResult>,
) => ({
  definition: { type: 'global', name: 'ExactMatch', options: {} } as const,
  scorer: { name: 'S', score, close: () => Promise.resolve() },
});

it('leaves no timers when the scorers have answered', async () => {
  const timers = new Set<number>();
  const hook = createHook({
    init: (id, type) => void (type === 'Timeout' && timers.add(id)),
    destroy: (id) => void timers.delete(id),
  });
  const scorers = [scorerOf(() => SCORED), scorerOf(() => Promise.resolve(SCORED))];
  const { signal } = new AbortController();
  hook.enable();
  for (let i = 0; i < 100; i++) await runScorers(scorers, {}, 60_000, signal);
  await setImmediate();
  await setImmediate();
  hook.disable();
  expect(timers.size).toBeLessThan(10);
});

it('tells a scorer to end when its time is over, and when the rule is closed', async () => {
  const ends = scorerOf(
    (_, signal) =>
      new Promise((resolve) => {
        const end = (): void => resolve({ kind: 'failed', reason: 'told to end', isTemporary: true });
        if (signal.aborted) end();
        else signal.addEventListener('abort', end);
      }),
  );
  const closing = new AbortController();
  const [late] = await runScorers([ends], {}, 20, closing.signal);
  expect(late!.result).toMatchObject({ reason: 'told to end' });
  const running = runScorers([ends, ends], {}, 60_000, closing.signal);
  closing.abort();
  expect((await running).map(({ result }) => result)).toMatchObject([
    { reason: 'told to end' },
    { reason: 'told to end' },
  ]);
});
