// Writes what came of something, again and again until it is written: work that was done must not be done anew because a
// disk is full for a while. Must stay true: it ends only when it is written, or when the process ends.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';

/** Pauses between two tries, milliseconds. */
const FIRST_MS = 100;
const LONGEST_MS = 5000;

/** `complain` hears why each try failed; once `isOver`, a failed write is given up: the next process does it again. */
export async function settle(
  write: () => Promise<void>,
  complain: (problem: string) => void,
  isOver: () => boolean,
): Promise<void> {
  for (let times = 0; ; times++) {
    try {
      await write();
      return;
    } catch (error) {
      if (isOver()) return;
      complain(describe(error));
      await new Promise((resolve) => setTimeout(resolve, backoffMs(times, FIRST_MS, LONGEST_MS)).unref());
    }
  }
}
