// Keeps records in the order of their first lines, although some wait for more lines.
// Invariant: each record is given out exactly once, after all records before it.
import type { LogRecord } from '../log-record.ts';

/** The ticket of one record. */
export interface OrderTicket {
  /** Position in the stream where its first line begins. */
  readonly start: number;
  /** `undefined`: it still waits for lines. `false`: there is no record. */
  record: LogRecord | false | undefined;
}

/** Limits of records that wait for an open one before them. Above either of them, the open record must be finished. */
const MAX_WAITING = 1000;
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;

export class RecordOrder {
  readonly #tickets: OrderTicket[] = [];
  #out: LogRecord[] = [];
  #waitingCharacters = 0;

  /** Adds a ticket at the end. */
  open(start: number): OrderTicket {
    const ticket: OrderTicket = { start, record: undefined };
    this.#tickets.push(ticket);
    return ticket;
  }

  /** The record of a ticket; `undefined`: there is none. */
  close(ticket: OrderTicket, record: LogRecord | undefined): void {
    ticket.record = record ?? false;
    if (ticket === this.#tickets[0]) this.#advance();
    else this.#waitingCharacters += record?.message.length ?? 0;
  }

  /** True if too much waits for open records. */
  get isOverdue(): boolean {
    return this.#tickets.length > MAX_WAITING || this.#waitingCharacters > MAX_WAITING_CHARACTERS;
  }

  /** Position in the stream of the first record that was not given out. */
  get firstStart(): number | undefined {
    return this.#tickets[0]?.start;
  }

  /** Removes and returns the records at the front that are finished. */
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
