// The open streams of a connection by their id: a hash table with open addressing. Hot path.
// Invariant: a removed stream is not referenced. A Map keeps its old tables for a while, and with them all streams that
// were open then, which makes each young collection dearer.

const MIN_SLOTS = 16;

interface WithId {
  readonly id: number;
}

const emptySlots = (count: number): undefined[] => Array.from({ length: count }, () => undefined);

export class StreamTable<Item extends WithId> {
  #items: (Item | undefined)[] = emptySlots(MIN_SLOTS);
  #mask = MIN_SLOTS - 1;
  size = 0;

  get(id: number): Item | undefined {
    const items = this.#items;
    const mask = this.#mask;
    for (let slot = (id >> 1) & mask; ; slot = (slot + 1) & mask) {
      const item = items[slot];
      if (item === undefined || item.id === id) return item;
    }
  }

  /** Adds an item whose id is not in the table. */
  add(item: Item): void {
    if (++this.size * 2 > this.#mask) this.#grow();
    this.#place(item);
  }

  remove(id: number): void {
    const items = this.#items;
    const mask = this.#mask;
    let gap = (id >> 1) & mask;
    for (; items[gap]?.id !== id; gap = (gap + 1) & mask) if (items[gap] === undefined) return;
    this.size--;
    // Items behind the gap that a search would no longer reach move into it.
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const item = items[slot];
      if (item === undefined) break;
      const home = (item.id >> 1) & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      items[gap] = item;
      gap = slot;
    }
    items[gap] = undefined;
  }

  /** A copy of all items: the table may be changed while it is read. */
  all(): Item[] {
    return this.#items.filter((item) => item !== undefined);
  }

  #place(item: Item): void {
    const items = this.#items;
    let slot = (item.id >> 1) & this.#mask;
    while (items[slot] !== undefined) slot = (slot + 1) & this.#mask;
    items[slot] = item;
  }

  #grow(): void {
    const before = this.all();
    const slots = this.#items.length * 2;
    this.#items = emptySlots(slots);
    this.#mask = slots - 1;
    for (const item of before) this.#place(item);
  }
}
