// Orders records by their first lines, although some of them wait for more lines.
// Invariant: each record is returned exactly once, after all records before it.
import type { LogRecord } from '../log-record.ts';

/** The position of one record in the order. */
export interface OrderTicket {
  /** Offset in the stream where its first line begins. */
  readonly start: number;
  /** `undefined`: the record waits for lines. `false`: there is no record at this position. */
  record: LogRecord | false | undefined;
}

/** Limits of records that wait for an open one. Above either of them, the open record must be closed. */
const MAX_WAITING = 1000;
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;

export class RecordOrder {
  readonly #tickets: OrderTicket[] = [];
  #out: LogRecord[] = [];
  #waitingCharacters = 0;

  /** Adds an open position at the end. */
  open(start: number): OrderTicket {
    const ticket: OrderTicket = { start, record: undefined };
    this.#tickets.push(ticket);
    return ticket;
  }

  /** Sets the record of a position; `undefined`: it has none. */
  close(ticket: OrderTicket, record: LogRecord | undefined): void {
    ticket.record = record ?? false;
    if (ticket === this.#tickets[0]) this.#advance();
    else this.#waitingCharacters += record?.message.length ?? 0;
  }

  /** True if too much waits for open records. */
  get isOverdue(): boolean {
    return this.#tickets.length > MAX_WAITING || this.#waitingCharacters > MAX_WAITING_CHARACTERS;
  }

  /** Offset in the stream of the first record that is not finished. */
  get firstStart(): number | undefined {
    return this.#tickets[0]?.start;
  }

  /** Removes and returns the finished records at the front. */
  take(): LogRecord[] {
    const out = this.#out;
    if (out.length > 0) this.#out = [];
    return out;
  }

  #advance(): void {
    let n = 0;
    for (const { record } of this.#tickets) {
      if (record === undefined) break;
      if (record) this.#out.push(record);
      n++;
    }
    if (n === this.#tickets.length) this.#tickets.length = 0;
    else this.#tickets.splice(0, n);
    if (n > 1) this.#recount();
  }

  #recount(): void {
    this.#waitingCharacters = 0;
    for (const { record } of this.#tickets) if (record) this.#waitingCharacters += record.message.length;
  }
}
