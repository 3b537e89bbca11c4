// Open group queries, with a reader that is made up: how many there may be, and which are dropped.
import { expect, it } from 'vitest';
import type { GroupQuery } from '../../../../src/telemetry/logs/query/group-query.ts';
import { OpenGroups, type GroupStep } from '../../../../src/telemetry/logs/store/open-groups.ts';

const QUERY: GroupQuery = { node: { op: 'all' }, fromNs: 0n, toNs: 1n, by: [], measures: [{ op: 'count' }] };
const MAX_OPEN = 8;

/** Group queries that count one record per step and are done after three. */
function start() {
  const clock = { ms: 0 };
  const groups = new OpenGroups(
    (_, accumulator) => {
      let left = 3;
      return {
        get isDone() {
          return left === 0;
        },
        step() {
          left--;
          accumulator.count(accumulator.group([]), 1);
        },
      };
    },
    () => clock.ms,
  );
  const step = (id?: string, isLast = false) => groups.step(QUERY, id, isLast);
  return { step, clock };
}

function idOf(step: GroupStep): string {
  if (step === 'busy' || !('open' in step)) throw new Error(`not open: ${JSON.stringify(step)}`);
  return step.open;
}

it('a query is continued until it is done', () => {
  const { step } = start();
  const id = idOf(step());
  expect(step(id)).toEqual({ open: id });
  expect(step(id)).toMatchObject({ result: { matched: 3, isPartial: false } });
});

it('the last step returns what was read', () => {
  const { step } = start();
  expect(step(idOf(step()), true)).toMatchObject({ result: { matched: 2, isPartial: true } });
});

it('a query begins again if its state is lost', () => {
  const { step } = start();
  const id = idOf(step('of an earlier thread'));
  step(id);
  expect(step(id)).toMatchObject({ result: { matched: 3 } });
  // Its state is gone, so this is a new query.
  expect(idOf(step(id))).not.toBe(id);
});

it('a query does not begin while too many others are open', () => {
  const { step } = start();
  const ids = Array.from({ length: MAX_OPEN }, () => idOf(step()));
  expect(step()).toBe('busy');
  expect(step(undefined, true)).toMatchObject({ result: { matched: 1, isPartial: true } });
  expect(step(ids[3])).toEqual({ open: ids[3] });
  step(ids[3], true);
  expect(idOf(step())).not.toBe(ids[3]);
  expect(step()).toBe('busy');
});

it('a query that is not continued is dropped', () => {
  const { step, clock } = start();
  const ids = Array.from({ length: MAX_OPEN }, () => idOf(step()));
  clock.ms = 50_000;
  step(ids[0]);
  clock.ms = 70_000;
  for (let i = 1; i < MAX_OPEN; i++) idOf(step());
  expect(step()).toBe('busy');
  expect(step(ids[0])).toMatchObject({ result: { matched: 3 } });
});
