// Writes the end of a run or delivery, and retries until it is written, so that finished work is not repeated because
// the disk was full for a while.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';

/** Pauses between attempts, milliseconds. */
const FIRST_MS = 100;
const LONGEST_MS = 5000;

/** `report` is called for each failed attempt. After `isOver`, a failed write is given up, and the work is repeated. */
export async function settle(
  write: () => Promise<void>,
  report: (problem: string) => void,
  isOver: () => boolean,
): Promise<void> {
  for (let times = 0; ; times++) {
    try {
      await write();
      return;
    } catch (error) {
      if (isOver()) return;
      report(describe(error));
      await new Promise((resolve) => setTimeout(resolve, backoffMs(times, FIRST_MS, LONGEST_MS)).unref());
    }
  }
}
