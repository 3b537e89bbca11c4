// Waiting for a condition instead of for a time. Must stay true: it fails loudly, with what was last seen.

/** Longest time for a process to start on a busy machine. If the process ends, the wait ends as well. */
export const START_TIMEOUT_MS = 60_000;

/** Asks `look` again and again until it returns something that is not undefined or false; throws after `timeoutMs`. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
