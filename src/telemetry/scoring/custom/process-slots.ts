// Limits how many processes of custom scorers there are at a time.
// Invariant: there are never more holders than slots, and a waiting caller gets a slot when one is free or its holder is idle.

/** Has a process. */
export interface SlotHolder {
  /** Gives its slot back if its process does nothing now. Returns false otherwise. */
  giveUp(): boolean;
}

export class ProcessSlots {
  readonly #slots: number;
  /** The one that was used last is the last. */
  readonly #holders = new Set<SlotHolder>();
  readonly #waiting: (() => void)[] = [];

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** Resolves when there is a slot. The holder whose process was idle for longest loses its own for it. */
  async take(holder: SlotHolder): Promise<void> {
    while (this.#holders.size >= this.#slots && ![...this.#holders].some((other) => other.giveUp()))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#holders.add(holder);
  }

  /** The holder has no process any more. */
  give(holder: SlotHolder): void {
    if (this.#holders.delete(holder)) this.#waiting.shift()?.();
  }

  /** The process of the holder did something, and is idle now. */
  used(holder: SlotHolder): void {
    if (this.#holders.delete(holder)) this.#holders.add(holder);
    this.#waiting.shift()?.();
  }
}
