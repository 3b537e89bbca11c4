// Which replica gets the next request. Hot path. Must stay true: a pure choice, nothing is changed.
import type { Replica } from './replica.ts';

/**
 * The ready replica that holds the fewest requests, or `undefined` where none is ready.
 * Ties go to the first one from `start` on, so that a turning start spreads them.
 */
export function leastOutstanding(replicas: readonly Replica[], start: number): Replica | undefined {
  let best: Replica | undefined;
  const count = replicas.length;
  for (let i = 0; i < count; i++) {
    const replica = replicas[(start + i) % count]!;
    if (replica.isReady && (best === undefined || replica.outstanding < best.outstanding)) best = replica;
  }
  return best;
}
