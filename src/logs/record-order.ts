// The order of records: they are given out in the order of their first lines, though some wait for more lines.
// Invariant: a record is given out when all records before it are, once.
import type { LogRecord } from './record.ts';

/** The place of one record. */
export interface Place {
  /** Where in the stream its first line began. */
  readonly start: number;
  /** `undefined`: it still waits for lines. `false`: it came to nothing. */
  record: LogRecord | false | undefined;
}

/** Records that wait for one before them: beyond either of these, what is waited for must be given out. */
const MAX_WAITING = 1000;
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;

export class RecordOrder {
  readonly #places: Place[] = [];
  #out: LogRecord[] = [];
  #waitingCharacters = 0;

  /** Adds a place at the end. */
  open(start: number): Place {
    const place: Place = { start, record: undefined };
    this.#places.push(place);
    return place;
  }

  /** The record of a place; `undefined`: there is none. */
  close(place: Place, record: LogRecord | undefined): void {
    place.record = record ?? false;
    if (place === this.#places[0]) this.#advance();
    else this.#waitingCharacters += record?.message.length ?? 0;
  }

  /** True where too much waits for records that are still open. */
  get isOverdue(): boolean {
    return this.#places.length > MAX_WAITING || this.#waitingCharacters > MAX_WAITING_CHARACTERS;
  }

  /** Where the first record begins that was not given out. */
  get firstStart(): number | undefined {
    return this.#places[0]?.start;
  }

  /** The records that are next, once. */
  take(): LogRecord[] {
    const out = this.#out;
    if (out.length > 0) this.#out = [];
    return out;
  }

  #advance(): void {
    let n = 0;
    for (const { record } of this.#places) {
      if (record === undefined) break;
      if (record) this.#out.push(record);
      n++;
    }
    if (n === this.#places.length) this.#places.length = 0;
    else this.#places.splice(0, n);
    if (n > 1) this.#recount();
  }

  #recount(): void {
    this.#waitingCharacters = 0;
    for (const { record } of this.#places) if (record) this.#waitingCharacters += record.message.length;
  }
}
