// Runs a group query in the reader thread, step by step, so that other calls run between the steps.
// Invariant: the last step of a query ends it in the thread, also if the result is not wanted any more.
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupQuery, GroupResult } from '../query/group-query.ts';
import type { ReaderClient } from './reader-client.ts';

export interface GroupLimits {
  /**
   * Time after which the result is partial. Default: 10 s. 0: one step. Percentiles of durations may be approximate if
   * half of the time does not suffice for exact ones.
   */
  readonly timeoutMs?: number;
  /** Tells whether someone still waits for the result. If not, the query ends early with a partial result. */
  readonly isWanted?: () => boolean;
}

const TIMEOUT_MS = 10_000;
/** Last part of the time, in which percentiles are read from sums per minute, since all values cannot be read in time. */
const LATE_PART = 0.5;
/** Wait before the next try if too many queries are open. */
const BUSY_MS = 20;

export async function callGroup(
  reader: Pick<ReaderClient, 'ask'>,
  query: GroupQuery,
  { timeoutMs = TIMEOUT_MS, isWanted = () => true }: GroupLimits,
): Promise<GroupResult> {
  const untilMs = performance.now() + timeoutMs;
  const lateMs = untilMs - timeoutMs * LATE_PART;
  let open: string | undefined;
  for (;;) {
    const nowMs = performance.now();
    const isLast = nowMs >= untilMs || !isWanted();
    const step = await reader.ask('group', query, open, isLast, nowMs >= lateMs);
    if (step === 'busy') await sleep(BUSY_MS);
    else if ('result' in step) return step.result;
    else ({ open } = step);
  }
}
