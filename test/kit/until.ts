// Waits for a condition instead of a fixed time.

/** Longest time for a process to start on a busy machine. If the process ends, the wait ends as well. */
export const START_TIMEOUT_MS = 60_000;

/** Calls `look` every 10 ms until it returns a value other than undefined or false. Throws after `timeoutMs`. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > endMs) throw new Error(`timed out after ${timeoutMs} ms waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
