// Which replica gets the next request. Hot path. Must stay true: a pure choice, nothing is changed.
import type { Replica } from './replica.ts';

/**
 * The least loaded ready replica that holds fewer than `cap` requests, or `undefined` where there is none.
 * Ties go to the first one from `start` on, so that a turning start spreads them. `avoid` is chosen only where no other
 * fits: it has just failed this request.
 */
export function leastLoaded(
  replicas: readonly Replica[],
  start: number,
  cap: number,
  avoid: Replica | undefined,
): Replica | undefined {
  let best: Replica | undefined;
  let bestLoad = Infinity;
  const count = replicas.length;
  for (let i = 0; i < count; i++) {
    const replica = replicas[(start + i) % count]!;
    if (!replica.isReady || replica.outstanding >= cap || replica === avoid) continue;
    const load = replica.load;
    if (load < bestLoad) {
      best = replica;
      bestLoad = load;
    }
  }
  if (best === undefined && avoid !== undefined && avoid.isReady && avoid.outstanding < cap)
    // It may have left the list meanwhile.
    return replicas.includes(avoid) ? avoid : undefined;
  return best;
}
