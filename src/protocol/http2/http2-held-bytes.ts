// Bytes that all HTTP/2 connections hold for slow receivers.
// Invariant: a connection that could not give its peer all credit is told when half of the maximum is free.

/** A connection that gives less credit while there is no room. */
export interface CreditHolder {
  /** Whether it is in the list. Only `Http2HeldBytes` writes it. */
  isStarved: boolean;
  /** Called once when half of the maximum is free. */
  refill(): void;
}

/** Counts bytes of DATA that were received and are not consumed yet. */
export class Http2HeldBytes {
  readonly maxBytes: number;
  /** Bytes held now. */
  bytes = 0;
  #starved: CreditHolder[] = [];

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get isOver(): boolean {
    return this.bytes > this.maxBytes;
  }

  add(bytes: number): void {
    this.bytes += bytes;
  }

  release(bytes: number): void {
    this.bytes -= bytes;
    if (this.#starved.length === 0 || this.bytes > this.maxBytes / 2) return;
    const starved = this.#starved;
    this.#starved = [];
    for (const holder of starved) {
      holder.isStarved = false;
      holder.refill();
    }
  }

  /** Connections that wait for room. */
  get waiting(): number {
    return this.#starved.length;
  }

  /** Calls `holder.refill` once half of the maximum is free, unless it is. */
  await(holder: CreditHolder): void {
    if (holder.isStarved || this.bytes <= this.maxBytes / 2) return;
    holder.isStarved = true;
    this.#starved.push(holder);
  }

  /** The connection has ended. */
  leave(holder: CreditHolder): void {
    if (!holder.isStarved) return;
    holder.isStarved = false;
    this.#starved.splice(this.#starved.indexOf(holder), 1);
  }
}
