// What a rule does when scorers or the store fail.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { removeFolders } from '../../kit/folder.ts';
import type { ScorerResult } from '../../../src/telemetry/scoring/scorer.ts';
import { closeScoredStores, failed, openScoredStore, scored } from '../../kit/scored-store.ts';
import { until } from '../../kit/until.ts';

afterEach(async () => {
  await closeScoredStores();
  removeFolders();
});

const A = 'ExactMatch';
const B = 'Levenshtein';

it('tries a failed span again, and stores its scores once', async () => {
  let calls = 0;
  const store = await openScoredStore({
    [A]: ({ output }) => (output === 'b' && ++calls < 3 ? failed('busy', true) : scored(1)),
  });
  const rule = await store.rule([A]);
  await store.spans(['a', 'b', 'c']);
  const state = await store.until('all are scored', rule, (one) => one.scored === 3);
  expect(state).toMatchObject({ failed: 0, lastError: 'ExactMatch: busy', reason: '' });
  expect(calls).toBe(3);
  await store.until('the rule is at the end', rule, ({ behindRecords }) => behindRecords === 0);
  expect(store.children()).toHaveLength(3);
});

it('gives a span up after some tries, says why in its trace, and goes on', async () => {
  let calls = 0;
  const store = await openScoredStore({
    [A]: ({ output }) => (output === 'bad' ? (calls++, failed('no answer', true)) : scored(1)),
  });
  const rule = await store.rule([A]);
  await store.spans(['bad', 'good']);
  await store.until('one is given up, one is scored', rule, (one) => one.failed === 1 && one.scored === 1);
  expect(calls).toBe(3);
  const children = store.children();
  expect(children.find((row) => row['root_span_id'] === 'root-bad')).toMatchObject({
    error: 'no answer',
    output: null,
    scores: {},
  });
  // A later version of the span is tried again, since it has no score.
  await store.spans(['bad'], { _is_merge: true, output: 'better' });
  await store.until('it is scored', rule, (one) => one.scored === 2);
  expect(store.children()).toHaveLength(2);
});

it('pauses a rule whose scorer cannot be reached, loses no more spans, and goes on when it can', async () => {
  let isDown = true;
  const store = await openScoredStore({ [A]: () => (isDown ? failed('unreachable', true) : scored(1)) });
  const rule = await store.rule([A]);
  await store.spans(Array.from({ length: 10 }, (_, i) => `s${i}`));
  const paused = await store.until('the rule is paused', rule, (one) => one.state === 'paused');
  expect(paused).toMatchObject({ reason: 'ExactMatch: unreachable', failed: 2, scored: 0 });
  expect(store.logLines.join()).toContain('scoring rule paused');
  // It tries again, and gives up no further span meanwhile.
  await sleep(200);
  expect(store.state(rule)).toMatchObject({ state: 'paused', failed: 2 });
  isDown = false;
  const state = await store.until('the rest is scored', rule, (one) => one.scored === 8);
  expect(state).toMatchObject({ reason: '', failed: 2 });
  expect(store.logLines.join()).toContain('scoring rule goes on');
});

it('pauses a rule whose scorer fails for every span, until it is changed', async () => {
  const store = await openScoredStore(
    { [A]: () => failed('it threw', false), [B]: () => scored(1) },
    { pace: { firstPauseMs: 60_000, lastPauseMs: 60_000 } },
  );
  const rule = await store.rule([A]);
  for (let i = 0; i < 3; i++) {
    await store.spans([`a${i}`, `b${i}`]);
    await until('they failed', () => store.state(rule).failed >= Math.min(4, 2 * (i + 1)));
  }
  const paused = await store.until('the rule is paused', rule, (one) => one.state === 'paused');
  expect(paused).toMatchObject({ reason: 'ExactMatch: it threw', failed: 4 });
  const { config, ...rest } = store.scoring.rule(rule)!;
  const scorers = [{ type: 'global', name: B, options: {} }] as const;
  await store.scoring.change(rule, { ...rest, config: { ...config, scorers } });
  await store.until('the last two are scored', rule, (one) => one.scored === 2);
  expect(store.state(rule).state).toBe('running');
});

it('scores with one rule while the scorer of another hangs', async () => {
  const store = await openScoredStore(
    { [A]: () => new Promise(() => undefined), [B]: () => scored(0.5) },
    { args: ['--scoring-timeout=300ms'] },
  );
  const hanging = await store.rule([A]);
  const other = await store.rule([B]);
  await store.spans(['a', 'b']);
  await store.until('the other rule has scored', other, (one) => one.scored === 2);
  expect(store.state(hanging)).toMatchObject({ scored: 0 });
  const state = await store.until('the call was ended', hanging, (one) => one.lastError !== null);
  expect(state.lastError).toBe('ExactMatch: it did not end within 300 ms');
});

it('survives a scorer that throws', async () => {
  const store = await openScoredStore({
    [A]: () => {
      throw new Error('unexpected');
    },
  });
  const rule = await store.rule([A]);
  await store.spans(['a']);
  await store.until('it failed', rule, (one) => one.failed === 1);
  expect(store.state(rule).lastError).toBe('ExactMatch: unexpected');
});

it('stores the scores later if the log store cannot take them', async () => {
  let refusals = 2;
  const store = await openScoredStore(
    { [A]: () => scored(1) },
    {
      wrap: (logs) => ({
        postRows: (rows) =>
          rows.isOwn === true && refusals-- > 0
            ? Promise.resolve({ problem: 'queue_full' })
            : logs.postRows(rows),
      }),
    },
  );
  const rule = await store.rule([A]);
  await store.spans(['a', 'b']);
  const state = await store.until('both are scored', rule, (one) => one.scored === 2);
  expect(state.lastError).toBe('the scores cannot be stored (queue_full)');
  expect(store.children()).toHaveLength(2);
});

it('stores what one scorer says when another fails', async () => {
  const store = await openScoredStore({ [A]: () => scored(1, 'a'), [B]: () => failed('broken', false) });
  const rule = await store.rule([A, B]);
  await store.spans(['x']);
  const state = await store.until('it is done', rule, (one) => one.scored === 1);
  expect(state).toMatchObject({ failed: 1, lastError: 'Levenshtein: broken' });
  expect(store.children().map(({ error, scores }) => [error ?? null, scores])).toEqual([
    [null, { a: 1 }],
    ['broken', {}],
  ]);
});

it('stops in time while a scorer runs, and scores the span after the next start', async () => {
  const path = (await openScoredStore({})).path;
  await closeScoredStores();
  const first = await openScoredStore(
    {
      [A]: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(failed('closed', true)));
        }),
    },
    { path },
  );
  const rule = await first.rule([A]);
  await first.spans(['a']);
  await sleep(100);
  const beganMs = performance.now();
  await first.close();
  expect(performance.now() - beganMs).toBeLessThan(3000);
  const second = await openScoredStore({ [A]: () => scored(1) }, { path });
  await second.until('it is scored', rule, (one) => one.scored === 1);
  expect(second.children()).toHaveLength(1);
});

const untilAborted = (_: unknown, signal: AbortSignal): Promise<ScorerResult> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(failed('closed', true)));
  });

it('goes on with a changed rule at once, while a scorer of the old one does not answer', async () => {
  const store = await openScoredStore({ [A]: untilAborted, [B]: () => scored(1, 'b') });
  const rule = await store.rule([A]);
  await store.spans(['a']);
  await sleep(100);
  const { config, ...rest } = store.scoring.rule(rule)!;
  const scorers = [{ type: 'global', name: B, options: {} }] as const;
  await store.scoring.change(rule, { ...rest, config: { ...config, scorers } });
  await store.until('it is scored by the new one', rule, (one) => one.scored === 1);
  expect(store.children()).toMatchObject([{ scores: { b: 1 } }]);
  expect(store.state(rule)).toMatchObject({ failed: 0, lastError: null });
});

it('stops in time just after a rule was changed while a scorer runs', async () => {
  const store = await openScoredStore({ [A]: untilAborted });
  const rule = await store.rule([A]);
  await store.spans(['a']);
  await sleep(100);
  await store.scoring.change(rule, store.scoring.rule(rule)!);
  const beganMs = performance.now();
  await store.close(60_000);
  expect(performance.now() - beganMs).toBeLessThan(3000);
});

it('counts records that were deleted before it read them', async () => {
  const first = await openScoredStore({ [A]: () => scored(1) });
  const rule = await first.rule([A]);
  await first.scoring.stop(performance.now() + 5000);
  await first.spans(Array.from({ length: 20 }, (_, i) => `s${i}`));
  await first.close();
  const second = await openScoredStore({ [A]: () => scored(1) }, { path: first.path, deletedUpTo: 8 });
  const state = await second.until('the rest is scored', rule, (one) => one.scored === 12);
  expect(state.skipped.get('deleted')).toBe(8);
});

/** Opens a store whose scores are stored, but scoring never gets to know, as if weir was killed at that moment. */
const openUnanswered = (score: number) => {
  const stored = Promise.withResolvers<void>();
  const unanswered = async <T>(work: Promise<T>): Promise<T> => {
    await work;
    stored.resolve();
    return new Promise(() => undefined);
  };
  const opened = openScoredStore(
    { [A]: () => scored(score, 's') },
    {
      wrap: (logs) => ({
        post: (records) => unanswered(logs.post(records)),
        postRows: (rows) => unanswered(logs.postRows(rows)),
      }),
    },
  );
  return { opened, stored: stored.promise };
};

it('scores no span again whose score was stored just before a kill', async () => {
  const { opened, stored } = openUnanswered(0.25);
  const first = await opened;
  const rule = await first.rule([A]);
  await first.spans(['a', 'b']);
  await stored;
  await first.close(100);
  let calls = 0;
  const second = await openScoredStore({ [A]: () => (calls++, scored(0.75, 's')) }, { path: first.path });
  await second.spans(['c']);
  await second.until('the new one is scored', rule, (one) => one.scored === 1);
  expect(calls).toBe(1);
  const scores = second.rows().map(({ id, scores: own }) => [id, own]);
  expect(scores.filter(([id]) => String(id).length === 1)).toEqual([
    ['a', { s: 0.25 }],
    ['b', { s: 0.25 }],
    ['c', { s: 0.75 }],
  ]);
  expect(second.children()).toHaveLength(3);
});

it('scores no request again whose score was stored just before a kill', async () => {
  const { opened, stored } = openUnanswered(0.25);
  const first = await opened;
  const rule = await first.rule([A], 'requests');
  await first.requests(['a', 'b']);
  await stored;
  await first.close(100);
  let calls = 0;
  const second = await openScoredStore({ [A]: () => (calls++, scored(0.75, 's')) }, { path: first.path });
  await second.requests(['c']);
  await second.until('the new one is scored', rule, (one) => one.scored === 1);
  expect(calls).toBe(1);
  expect(second.records('kind:annotation').map(({ requestId }) => requestId)).toEqual(['a', 'b', 'c']);
});

it('annotates no request twice when another of its batch is tried again', async () => {
  let calls = 0;
  const store = await openScoredStore({
    [A]: () => (++calls === 1 ? failed('busy', true) : scored(1, 's')),
  });
  const rule = await store.rule([A], 'requests');
  await store.requests(['a', 'b', 'c']);
  await store.until('all are scored', rule, (one) => one.scored === 3);
  // One behind them, so that they were read again.
  await store.requests(['d']);
  await store.until('the last one is scored', rule, (one) => one.scored >= 4);
  expect(calls).toBe(5);
  expect(
    store
      .records('kind:annotation')
      .map(({ requestId }) => requestId)
      .toSorted(),
  ).toEqual(['a', 'b', 'c', 'd']);
});

it('scores with one rule while the filter of another takes long for each span', async () => {
  const store = await openScoredStore({ [A]: () => scored(1), [B]: () => scored(1) });
  const slow = await store.rule([A]);
  const { config, ...rest } = store.scoring.rule(slow)!;
  const words = Array.from({ length: 300 }, (_, i) => `input MATCH 'a${i}'`);
  await store.scoring.change(slow, {
    ...rest,
    config: { ...config, btql_filter: `NOT (${words.join(' OR ')})` },
  });
  const other = await store.rule([B]);
  const ids = Array.from({ length: 20 }, (_, i) => `s${i}`);
  await store.spans(ids, { input: 'a'.repeat(50_000) });
  await store.until('the other rule has scored', other, (one) => one.scored === ids.length);
  expect(store.state(slow).scored).toBeLessThan(ids.length);
});

it('gives a span that is logged again with other content while it is scored the score of that content', async () => {
  const { promise: isReplaced, resolve: replaced } = Promise.withResolvers<void>();
  const seen: unknown[] = [];
  const store = await openScoredStore({
    [A]: async ({ output }) => {
      if (seen.push(output) === 1) await isReplaced;
      return scored(output === 'right' ? 1 : 0, 's');
    },
  });
  const rule = await store.rule([A]);
  await store.spans(['a']);
  await until('it is being scored', () => seen.length === 1);
  await store.spans(['a'], { output: 'right' });
  replaced();
  await store.until('both contents are scored', rule, (one) => one.scored === 2);
  expect(seen).toEqual(['a', 'right']);
  expect(store.rows().find(({ id }) => id === 'a')).toMatchObject({ output: 'right', scores: { s: 1 } });
  expect(store.children().map(({ scores }) => scores)).toEqual([{ s: 1 }]);
});
