// What every thread must know before it takes a place at a deployment: how many requests wait, and whether the
// deployment is gone or refuses. Hot path.
// Invariant: a request waits if and only if it is counted here, from before its thread asks for a place in the wait queue.
import { FIRST_FLAG, PlaceCount } from './place-count.ts';

const GONE = FIRST_FLAG;
const REFUSING = FIRST_FLAG << 1;
const DRAINING = FIRST_FLAG << 2;

/** Words of the memory. Word 0 is the count with the flags. */
const TOLD = 1;
const WANTED = 2;

/** `word`: the word of a gate. The configuration has removed the deployment. */
export const isGone = (word: number): boolean => (word & GONE) !== 0;

/** `word`: the word of a gate. Every further request is refused. */
export const isRefusing = (word: number): boolean => (word & REFUSING) !== 0;

/** `word`: the word of a gate. Requests do not wait for a replica to become ready. */
export const isDraining = (word: number): boolean => (word & DRAINING) !== 0;

/** The count: waiting requests of all threads. */
export class WaitGate extends PlaceCount {
  /** True if a new request may take a free replica at once. */
  get isOpen(): boolean {
    return (this.word & ~DRAINING) === 0;
  }

  setGone(isSet: boolean): void {
    this.setFlag(GONE, isSet);
  }

  startDraining(): void {
    this.setFlag(DRAINING, true);
  }

  startRefusing(): void {
    this.setFlag(REFUSING, true);
  }

  /** The queue of tasks waits for a free replica. */
  wantCapacity(): void {
    Atomics.store(this.words, WANTED, 1);
  }

  /** The queue of tasks was told of a free replica. */
  served(): void {
    Atomics.store(this.words, WANTED, 0);
  }

  /** True if the main thread must be told of a place that was given back, and no other thread has told it yet. */
  mustTell(): boolean {
    if (this.count === 0 && Atomics.load(this.words, WANTED) === 0) return false;
    return this.tell();
  }

  /** True if no other thread has told the main thread yet. */
  tell(): boolean {
    return Atomics.exchange(this.words, TOLD, 1) === 0;
  }

  /** The main thread was told, and looks at the places after this. */
  told(): void {
    Atomics.store(this.words, TOLD, 0);
  }

  override threadLost(thread: number): void {
    super.threadLost(thread);
    // It may have ended before its message was sent.
    this.told();
  }
}
