// Counts of the recorder thread in shared memory, so that the main thread reads them without a message.
// Invariant: only the recorder writes, except `isFollowed`, and the main thread while there is no recorder. Counts only
// grow.
import { MASK_RULES, type MaskRule } from '../masking/mask-rules.ts';

/** Name of the count of values that a rule masked. */
export const maskedName = <R extends MaskRule>(rule: R): `masked_${R}` => `masked_${rule}`;

const NAMES = [
  'storedRequests',
  'storedLines',
  'storedSpans',
  'storedEvents',
  'storedAnnotations',
  'lostStoreFull',
  'lostStoreError',
  'lostStoreUnusable',
  'lostQueueFull',
  'droppedLines',
  'headSeq',
  'storeBytes',
  /** Files and pages of the store that were found damaged and set aside. */
  'damaged',
  /** Since when records wait to be stored (`steadyMs`); 0: none waits. */
  'waitingSinceMs',
  /** Number of the last flush (frames.ts). */
  'flushed',
  /** Set by the main thread: 1 if it wants to be told of stored records. */
  'isFollowed',
  /** Bodies that were not kept, since they could not be masked. */
  'bodiesUnmaskable',
  ...MASK_RULES.map(maskedName<MaskRule>),
] as const;

type FigureName = (typeof NAMES)[number];

/** Milliseconds of a clock that never jumps and is the same in all threads. */
export const steadyMs = (): number => Math.ceil(Number(process.hrtime.bigint()) / 1e6);

export const figuresMemory = (): SharedArrayBuffer => new SharedArrayBuffer(8 * NAMES.length);

export class RecorderFigures {
  readonly #values: BigInt64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#values = new BigInt64Array(memory);
  }

  get(name: FigureName): number {
    return Number(Atomics.load(this.#values, NAMES.indexOf(name)));
  }

  /** Number of values that each rule masked, without the rules that masked none. */
  get masked(): ReadonlyMap<string, number> {
    const counts = MASK_RULES.map((rule) => [rule, this.get(maskedName(rule))] as const);
    return new Map(counts.filter(([, count]) => count > 0));
  }

  set(name: FigureName, value: number): void {
    Atomics.store(this.#values, NAMES.indexOf(name), BigInt(value));
  }

  add(name: FigureName, value: number): void {
    if (value !== 0) Atomics.add(this.#values, NAMES.indexOf(name), BigInt(value));
  }

  /** Sets a value, and wakes a thread that waits for it. */
  announce(name: FigureName, value: number): void {
    this.set(name, value);
    Atomics.notify(this.#values, NAMES.indexOf(name));
  }

  /** Blocks until the value is at least `value`. Returns false after `ms` milliseconds. */
  waitFor(name: FigureName, value: number, ms: number): boolean {
    const endMs = performance.now() + ms;
    for (;;) {
      const current = this.get(name);
      if (current >= value) return true;
      const restMs = endMs - performance.now();
      if (restMs <= 0) return false;
      Atomics.wait(this.#values, NAMES.indexOf(name), BigInt(current), restMs);
    }
  }
}
