// Gives the calling thread a low priority, so that threads that forward and record requests run before it.
// Invariant: it never throws, since work at the usual priority is better than none.
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Returns false if the priority stays as it is. Only Linux has priorities of threads. */
export function lowerPriority(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // `<process>/task/<thread>`; the priority is that of the thread, whatever the name of the function says.
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
    return true;
  } catch {
    return false;
  }
}
