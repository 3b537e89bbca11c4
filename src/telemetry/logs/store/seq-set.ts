// A set of sequence numbers, a bit each: small also for millions of records.
// Invariant: a group of 4,096 numbers without any of them takes no memory.

/** Numbers in one group. */
const SEQ_GROUP = 4096;
const GROUP_BYTES = SEQ_GROUP / 8;

export class SeqSet {
  readonly #groups = new Map<number, Uint8Array>();

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  add(seq: number): void {
    const bits = this.#bitsOf(Math.floor(seq / SEQ_GROUP));
    const bit = seq % SEQ_GROUP;
    bits[bit >> 3]! |= 1 << (bit & 7);
  }

  /** Adds the numbers of a group, as `groups` gives them. `first`: the first number of the group. */
  addGroup(first: number, added: Uint8Array): void {
    const bits = this.#bitsOf(first / SEQ_GROUP);
    for (let i = 0; i < Math.min(GROUP_BYTES, added.length); i++) bits[i]! |= added[i]!;
  }

  has(seq: number): boolean {
    const bit = seq % SEQ_GROUP;
    return ((this.#groups.get(Math.floor(seq / SEQ_GROUP))?.[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  /** False if it has none of the numbers from one to another. */
  mayHave(first: number, last: number): boolean {
    if (this.isEmpty) return false;
    // The range may be that of a file, which has many more groups than the set.
    if (last / SEQ_GROUP - first / SEQ_GROUP > this.#groups.size) {
      for (const group of this.#groups.keys())
        if ((group + 1) * SEQ_GROUP > first && group * SEQ_GROUP <= last) return true;
      return false;
    }
    for (let group = Math.floor(first / SEQ_GROUP); group <= last / SEQ_GROUP; group++)
      if (this.#groups.has(group)) return true;
    return false;
  }

  /** How many of the numbers from one to another it has. */
  countIn(first: number, last: number): number {
    let count = 0;
    for (const { bits } of this.groups(first, last))
      for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count++;
    return count;
  }

  /** The numbers from one to another, by group: its first number, and a bit for each of its numbers. */
  *groups(first: number, last: number): Generator<{ readonly first: number; readonly bits: Uint8Array }> {
    for (const [group, all] of this.#groups) {
      const start = group * SEQ_GROUP;
      if (start + SEQ_GROUP <= first || start > last) continue;
      const bits = Uint8Array.from(all);
      for (let bit = 0; bit < SEQ_GROUP && start + bit < first; bit++) bits[bit >> 3]! &= ~(1 << (bit & 7));
      for (let bit = Math.max(0, last - start + 1); bit < SEQ_GROUP; bit++)
        bits[bit >> 3]! &= ~(1 << (bit & 7));
      if (bits.some((byte) => byte !== 0)) yield { first: start, bits };
    }
  }

  /** Removes the numbers from one to another. */
  remove(first: number, last: number): void {
    for (let seq = first; seq <= last;) {
      const group = Math.floor(seq / SEQ_GROUP);
      const end = Math.min(last + 1, (group + 1) * SEQ_GROUP);
      const bits = this.#groups.get(group);
      if (bits !== undefined) {
        for (; seq < end; seq++) bits[(seq % SEQ_GROUP) >> 3]! &= ~(1 << (seq & 7));
        if (bits.every((byte) => byte === 0)) this.#groups.delete(group);
      }
      seq = end;
    }
  }

  #bitsOf(group: number): Uint8Array {
    let bits = this.#groups.get(group);
    if (bits === undefined) this.#groups.set(group, (bits = new Uint8Array(GROUP_BYTES)));
    return bits;
  }
}
