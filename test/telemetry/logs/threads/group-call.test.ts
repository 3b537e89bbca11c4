// The steps of a group query, with a reader that is made up.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { GroupResult } from '../../../../src/telemetry/logs/query/group-query.ts';
import type { GroupStep } from '../../../../src/telemetry/logs/store/open-groups.ts';
import { callGroup } from '../../../../src/telemetry/logs/threads/group-call.ts';

const QUERY = { node: { op: 'all' }, fromNs: 0n, toNs: 1n, by: [], measures: [] } as const;
const result = (isPartial: boolean): GroupResult => ({
  groups: [],
  matched: 0,
  others: 0,
  isApproximate: false,
  isPartial,
});

/** A reader that returns the given steps, then leaves the query open until its last step. */
function readerOf(...steps: GroupStep[]) {
  const asked: unknown[][] = [];
  const ask = (operation: string, _: unknown, id: unknown, isLast: boolean): Promise<GroupStep> => {
    asked.push([operation, id, isLast]);
    const step = steps.shift() ?? (isLast ? { result: result(true) } : { open: 'later' });
    return Promise.resolve(step);
  };
  return { reader: { ask: ask as never }, asked };
}

it('continues a query with the id of its previous step', async () => {
  const { reader, asked } = readerOf({ open: 'a' }, { open: 'b' }, { result: result(false) });
  expect(await callGroup(reader, QUERY, {})).toEqual(result(false));
  expect(asked).toEqual([['group', undefined, false], ['group', 'a', false], ['group', 'b', false]]); // prettier-ignore
});

it('tries again while too many queries are open', async () => {
  const { reader, asked } = readerOf('busy', 'busy', { result: result(false) });
  expect(await callGroup(reader, QUERY, {})).toEqual(result(false));
  expect(asked).toHaveLength(3);
});

it('ends with a partial result when its time is over', async () => {
  const once = readerOf();
  expect(await callGroup(once.reader, QUERY, { timeoutMs: 0 })).toEqual(result(true));
  expect(once.asked).toEqual([['group', undefined, true]]);
  const { reader, asked } = readerOf();
  expect(await callGroup(reader, QUERY, { timeoutMs: 5 })).toEqual(result(true));
  expect(asked.at(-1)).toEqual(['group', 'later', true]);
});

it('ends the query in the reader when the result is not wanted any more', async () => {
  let waits = 2;
  const { reader, asked } = readerOf();
  await callGroup(reader, QUERY, { isWanted: () => waits-- > 0 });
  expect(asked).toEqual([['group', undefined, false], ['group', 'later', false], ['group', 'later', true]]); // prettier-ignore
});

it('says that it is late when half of the time is over', async () => {
  const late: boolean[] = [];
  const ask = async (...[, , , isLast, isLate]: unknown[]): Promise<GroupStep> => {
    await sleep(5);
    late.push(isLate as boolean);
    return isLast ? { result: result(true) } : { open: 'a' };
  };
  await callGroup({ ask: ask as never }, QUERY, { timeoutMs: 100 });
  expect(late[0]).toBe(false);
  expect(late.at(-1)).toBe(true);
  // Once it is late, it stays so. Some steps are before the half, and some after it.
  expect(late.indexOf(true)).toBeGreaterThan(0);
  expect(late.slice(late.indexOf(true))).not.toContain(false);
  expect(late.filter(Boolean).length).toBeGreaterThan(1);
});
