// CPU time of a test's thread, for limits of what an algorithm may need.
// Invariant: waiting does not count, so that a limit holds on a busy machine.

/** CPU time of this thread so far, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
