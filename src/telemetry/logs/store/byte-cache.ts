// A cache that is limited by the bytes of what it holds.
// Invariant: the entries together have at most `maxBytes`, apart from the newest one; the longest unused leave first.

export class ByteCache<K, V> {
  readonly #maxBytes: number;
  readonly #entries = new Map<K, { readonly value: V; bytes: number }>();
  #bytes = 0;
  /** The key that was used last, which is at the end already. */
  #newest: K | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // A page is looked up hundreds of times in a row, and moving an entry makes garbage.
    if (key !== this.#newest) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      this.#newest = key;
    }
    return entry.value;
  }

  set(key: K, value: V, bytes: number): void {
    this.delete(key);
    this.#entries.set(key, { value, bytes });
    this.#newest = key;
    this.#grow(bytes);
  }

  /** Adds bytes to an entry that has grown. */
  grow(key: K, bytes: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.bytes += bytes;
    this.#grow(bytes);
  }

  delete(key: K): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
    if (key === this.#newest) this.#newest = undefined;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes && this.#entries.size > 1)
      this.delete(this.#entries.keys().next().value!);
  }
}
