// Works through a long list with pauses, since the thread also forwards requests.
// Invariant: at most STEP elements are mapped without a pause.
import { setImmediate as nextTurn } from 'node:timers/promises';

const STEP = 100;

/** Maps the elements of a list in their order. */
export async function inSteps<T, R>(list: Iterable<T>, map: (one: T) => R): Promise<R[]> {
  const out: R[] = [];
  for (const one of list) {
    out.push(map(one));
    if (out.length % STEP === 0) await nextTurn();
  }
  return out;
}
