// Which rows of the list are chosen, and which one is open.
// Invariant: indexes are those of the held rows; rows that are added above move them.
import { signal } from '@preact/signals';

export class Selection {
  /** The row with the focus; -1: none. */
  readonly at = signal(-1);
  /** The other end of several chosen rows. */
  readonly anchor = signal(-1);
  /** The row whose details are shown; -1: none. */
  readonly open = signal(-1);

  get from(): number {
    return Math.min(this.at.peek(), this.anchor.peek());
  }

  get to(): number {
    return Math.max(this.at.peek(), this.anchor.peek());
  }

  /** Chooses a row; with `isExtended` all rows up to it. */
  choose(index: number, isExtended = false): void {
    if (!isExtended || this.anchor.peek() === -1) this.anchor.value = index;
    this.at.value = index;
  }

  clear(): void {
    this.at.value = -1;
    this.anchor.value = -1;
    this.open.value = -1;
  }

  /** Rows were added above all others. */
  shift(added: number): void {
    for (const one of [this.at, this.anchor, this.open]) if (one.peek() >= 0) one.value += added;
  }
}
