// Records of the live tail that are not in the list yet.
// Invariant: no record is lost without being counted: what does not fit is one gap, in its place, that can be loaded.
import type { Gap, HeldRow } from './held-rows.ts';
import type { LogJson } from './record.ts';

/** Records that wait while the list is held. */
const MAX_WAITING = 10_000;

interface Waiting {
  readonly row: LogJson;
  /** Place of the record in the store. */
  readonly place: string;
}

export class LiveQueue {
  #waiting: Waiting[] = [];
  /** First waiting record that was not taken out yet. */
  #first = 0;
  /** What was left out before the waiting records. */
  #gap: Gap | undefined;
  /** Place of the last record that was taken, or left out. */
  #place: string;
  readonly #max: number;
  /** Records that were left out in all, and not loaded since. */
  leftOut = 0;

  /** `place`: where the tail begins. */
  constructor(place: string, max = MAX_WAITING) {
    this.#place = place;
    this.#max = max;
  }

  /** Records that wait, and those that are left out before them. */
  get size(): number {
    return this.#waiting.length - this.#first + (this.#gap?.count ?? 0);
  }

  /** True if there are rows for the list. A gap waits for the record behind it. */
  get hasRows(): boolean {
    return this.#waiting.length > this.#first;
  }

  push(row: LogJson, place: string): void {
    this.#waiting.push({ row, place });
    if (this.#waiting.length - this.#first <= this.#max) return;
    this.#first++;
    this.#compact();
    this.leftOut++;
    this.#grow(1, true);
  }

  /** Records were left out by weir, since this browser did not read as fast. */
  drop(count: number, isCounted: boolean): void {
    this.leftOut += count;
    // What waits is older. It goes into the gap, too, since a gap stands in one place.
    const waiting = this.#waiting.length - this.#first;
    this.leftOut += waiting;
    this.#waiting = [];
    this.#first = 0;
    this.#grow(waiting + count, isCounted);
  }

  #grow(count: number, isCounted: boolean): void {
    const before = this.#gap;
    this.#gap = {
      afterPlace: before?.afterPlace ?? this.#place,
      count: (before?.count ?? 0) + count,
      isCounted: isCounted && before?.isCounted !== false,
      nextSeq: 0,
    };
  }

  #compact(): void {
    if (this.#first < 4096) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }

  /** At most `count` rows for the list, oldest first; a gap comes before them. */
  take(count: number): HeldRow[] {
    const taken = this.#waiting.slice(this.#first, this.#first + count);
    this.#first += taken.length;
    const rows: HeldRow[] = taken.map(({ row }) => row);
    // Without a record behind it the end of a gap is not known.
    if (this.#gap !== undefined && taken.length > 0) {
      rows.unshift({ ...this.#gap, nextSeq: taken[0]!.row.seq });
      this.#gap = undefined;
    }
    this.#place = taken.at(-1)?.place ?? this.#place;
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else this.#compact();
    return rows;
  }
}
