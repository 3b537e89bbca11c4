// Wall clock time without jumps.
// Invariant: it never goes back while the process runs. Changes of the system clock take effect at the next start.

/** Milliseconds since 1970, with fractions. */
export const steadyNow = (): number => performance.timeOrigin + performance.now();
