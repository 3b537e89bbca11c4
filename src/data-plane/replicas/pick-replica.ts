// Chooses the replica for the next request. Hot path.
// Invariant: the choice changes no state.
import { hasRoom, type Replica } from './replica.ts';

/**
 * Returns the least loaded ready replica with fewer than `cap` requests, or `undefined` if there is none. Ties go to
 * the first one from index `start`, so a rotating start spreads them. `avoid` just failed this request: it is chosen
 * only if no other replica fits.
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
    const { word } = replica;
    if (!hasRoom(word, cap) || replica === avoid) continue;
    const load = replica.loadAt(word);
    if (load < bestLoad) {
      best = replica;
      bestLoad = load;
    }
  }
  if (best === undefined && avoid !== undefined && hasRoom(avoid.word, cap))
    // It may have left the list since the failure.
    return replicas.includes(avoid) ? avoid : undefined;
  return best;
}
