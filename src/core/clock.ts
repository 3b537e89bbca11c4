// Wall time that does not jump. Must stay true: it never goes back while the process runs, and goes on at the pace of
// time whatever is done to the machine's clock meanwhile; a step is taken over at the next start.

/** Milliseconds since 1970. */
export const steadyNow = (): number => performance.timeOrigin + performance.now();
