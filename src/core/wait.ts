// Waits for a promise, but not forever.
// Invariant: no timer is left behind, whatever the promise does.

export const TIMED_OUT = Symbol('timed out');

/**
 * Waits up to `ms` milliseconds for the promise. Resolves to its value, or to TIMED_OUT if it is not settled by then; a
 * promise that is settled already wins also with `ms` of 0 or less. Rejects if the promise rejects in time; a later
 * rejection is ignored. To wait until a deadline, pass `deadlineMs - performance.now()`.
 */
export async function waitAtMost<T>(ms: number, promise: Promise<T>): Promise<T | typeof TIMED_OUT> {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<typeof TIMED_OUT>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), TIMED_OUT);
  });
  try {
    return await Promise.race([promise, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}
