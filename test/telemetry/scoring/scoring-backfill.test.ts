// How a rule scores the past beside new records: with failures, cancels and a full disk.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { removeFolders } from '../../kit/folder.ts';
import { closeScoredStores, failed, openScoredStore, scored } from '../../kit/scored-store.ts';
import { until } from '../../kit/until.ts';

afterEach(async () => {
  await closeScoredStores();
  removeFolders();
});

const A = 'ExactMatch';

it('ends a backfill that is cancelled after its batch', async () => {
  let calls = 0;
  const { promise: isCancelled, resolve: cancelled } = Promise.withResolvers<void>();
  const store = await openScoredStore({
    [A]: async () => {
      // A batch has at most 256 spans, so the second one waits.
      if (++calls > 256) await isCancelled;
      return scored(1);
    },
  });
  await store.spans(Array.from({ length: 600 }, (_, i) => `s${i}`));
  const rule = await store.rule([A]);
  await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: Date.now() });
  expect(await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: 1 })).toMatchObject({
    refused: 'wrong_state',
  });
  const { scored: first } = await store.until('some are scored', rule, (one) => one.scored > 0);
  expect(store.state(rule).backfillProgress).toBeLessThan(1);
  expect(await store.scoring.cancelBackfill(rule)).toMatchObject({ state: 'cancelled' });
  cancelled();
  await store.spans(['new']);
  await store.until('the new one is scored', rule, () =>
    store.children().some((row) => row['root_span_id'] === 'root-new'),
  );
  expect(store.children().length).toBeLessThanOrEqual(first + 257);
  expect(store.state(rule).backfill).toMatchObject({ state: 'cancelled' });
});

it('annotates no request twice when a backfill comes to it before the rule does', async () => {
  const { promise: isStored, resolve: stored } = Promise.withResolvers<void>();
  let calls = 0;
  const store = await openScoredStore({
    [A]: async () => {
      if (++calls === 1) await isStored;
      return scored(1, 's');
    },
  });
  const rule = await store.rule([A], 'requests');
  await store.requests(['first']);
  await until('the first one is being scored', () => calls === 1);
  await store.requests(['a', 'b', 'c']);
  await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: Date.now() + 60_000 });
  stored();
  await store.until('both are at the end', rule, (one) => {
    return one.behindRecords === 0 && one.backfill?.state === 'done' && one.scored >= 4;
  });
  await store.requests(['last']);
  await store.until('the last one is scored', rule, (one) => one.scored >= 5 && one.behindRecords === 0);
  expect(
    store
      .records('kind:annotation')
      .map(({ requestId }) => requestId)
      .toSorted(),
  ).toEqual(['a', 'b', 'c', 'first', 'last']);
});

it('ends a backfill whose record cannot be scored, and scores new spans meanwhile', async () => {
  const store = await openScoredStore({
    [A]: ({ output }) => (output === 'bad' ? failed('no answer', true) : scored(1)),
  });
  await store.spans(['bad', 'old']);
  const rule = await store.rule([A]);
  await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: Date.now() + 60_000 });
  await store.spans(['new']);
  const { backfill } = await store.until(
    'the backfill is done',
    rule,
    (one) => one.backfill?.state === 'done',
  );
  expect(backfill).toMatchObject({ scored: 1, failed: 1 });
  await store.until('the new one is scored', rule, (one) => one.scored === 2);
});

it('scores new spans while the records of a backfill fail', async () => {
  const store = await openScoredStore(
    { [A]: ({ output }) => (String(output).startsWith('bad') ? failed('no answer', true) : scored(1)) },
    { pace: { firstPauseMs: 60_000, lastPauseMs: 60_000 } },
  );
  await store.spans(['bad1', 'bad2', 'bad3']);
  const rule = await store.rule([A]);
  await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: Date.now() + 60_000 });
  await store.until('it is paused', rule, (one) => one.reason === 'ExactMatch: no answer');
  await store.spans(['new']);
  const state = await store.until('the new one is scored', rule, (one) => one.scored === 1);
  expect(state.backfill?.state).toBe('running');
});

it('begins a backfill at its begin although one was cancelled in the middle of a batch', async () => {
  const { promise: isBegun, resolve: begun } = Promise.withResolvers<void>();
  let calls = 0;
  const store = await openScoredStore({
    [A]: async () => {
      if (++calls === 1) await isBegun;
      return scored(1);
    },
  });
  await store.spans(['old'], { created: '2025-01-01T00:00:00Z' });
  await store.spans(['late']);
  const rule = await store.rule([A]);
  await store.scoring.beginBackfill(rule, { fromMs: Date.UTC(2026, 0), toMs: Date.now() + 60_000 });
  await until('the late one is being scored', () => calls === 1);
  await store.scoring.cancelBackfill(rule);
  await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: Date.now() + 60_000 });
  begun();
  await store.until('the backfill is done', rule, (one) => one.backfill?.state === 'done');
  expect(calls).toBe(2);
});

it('says that a backfill cannot be stored if the disk cannot be written', async () => {
  const store = await openScoredStore({ [A]: () => scored(1) });
  const rule = await store.rule([A]);
  const file = join(store.path, 'scoring-cursors.json');
  rmSync(file);
  mkdirSync(join(file, 'in the way'), { recursive: true });
  const begun = await store.scoring.beginBackfill(rule, { fromMs: 0, toMs: 1 });
  expect(begun).toMatchObject({ refused: 'not_stored' });
  expect(store.state(rule).backfill).toBeUndefined();
});
