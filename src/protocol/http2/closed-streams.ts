// How the last streams of a connection were closed, since a late frame means something else after each way (RFC 9113 5.1).
// Invariant: the memory is fixed. Of older streams only the largest id is known.

/** Streams that are remembered. */
const REMEMBERED = 64;

/** How a stream was closed. `unused`: its id was skipped. `forgotten`: closed long ago, or skipped. */
export const CLOSED = { unused: 0, forgotten: 1, ended: 2, resetByPeer: 3, resetHere: 4 } as const;
export type ClosedHow = (typeof CLOSED)[keyof typeof CLOSED];

/** Values are id * 8 + how, which is above 32 bits. */
export class ClosedStreams {
  readonly #ring = new Float64Array(REMEMBERED);
  #next = 0;
  /** Largest forgotten id. */
  #forgotten = 0;

  add(id: number, how: ClosedHow): void {
    const slot = this.#next++ & (REMEMBERED - 1);
    const oldest = Math.floor(this.#ring[slot]! / 8);
    if (oldest > this.#forgotten) this.#forgotten = oldest;
    this.#ring[slot] = id * 8 + how;
  }

  /** How a stream was closed whose id is not above the last one, and which is not open. */
  how(id: number): ClosedHow {
    for (const value of this.#ring)
      if (Math.floor(value / 8) === id && value > 0) return (value % 8) as ClosedHow;
    return id > this.#forgotten ? CLOSED.unused : CLOSED.forgotten;
  }
}
