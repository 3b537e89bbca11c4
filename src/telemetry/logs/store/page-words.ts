// The words and ids of records for the Bloom filters of pages and blocks.
// Invariant: a record whose words or ids are looked up is in a page whose filters have their hashes.
import { derivedTraceId } from '../../../core/exchange/identity.ts';
import { searchableText } from '../query/searchable-text.ts';
import { byteWordHashes, isSeparator, wordHashes } from '../query/word-hash.ts';
import type { BlockRows } from './block-rows.ts';
import { hashOfId } from './bloom-filter.ts';
import type { RowTexts } from './row-texts.ts';
import { HAS, nativeMessage, type Shape } from './shape.ts';

/** The searchable text of native records of a shape. */
export function nativeText({ native, status }: Shape): string {
  const { path, cause, detail } = native!;
  return [nativeMessage(native!, status), path, cause, detail].filter((part) => part !== '').join('\n');
}

/** A list of hashes with few repeats: it remembers a limited number of them, which is faster than a Set. */
export class HashList {
  #hashes = new Uint32Array(4096);
  #count = 0;
  readonly #recent: Uint32Array;

  /** `slots`: how many hashes it remembers, a power of two. */
  constructor(slots: number) {
    this.#recent = new Uint32Array(slots);
    this.reset();
  }

  /** Removes all hashes, so that the memory is used again. */
  reset(): void {
    this.#count = 0;
    this.#recent.fill(0);
    // Slot 0 has a number that belongs to another slot, since 0 is a hash like any other.
    this.#recent[0] = 1;
  }

  readonly add = (hash: number): void => {
    const slot = hash & (this.#recent.length - 1);
    if (this.#recent[slot] === hash) return;
    this.#recent[slot] = hash;
    if (this.#count === this.#hashes.length) {
      const larger = new Uint32Array(2 * this.#count);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count++] = hash;
  };

  /** The hashes, until the next `reset`. */
  get list(): Uint32Array {
    return this.#hashes.subarray(0, this.#count);
  }
}

/** Largest number of bytes that are compared with the message before. */
const MAX_SHARED = 64;

/** Number of bytes of words and separators with which both messages begin: mostly their date and time. */
function sharedBeginning({ bytes, starts }: RowTexts, row: number, before: number): number {
  const [at, other] = [starts[row]!, starts[before]!];
  const most = Math.min(MAX_SHARED, starts[row + 1]! - at, starts[before + 1]! - other);
  let shared = 0;
  for (let i = 0; i < most && bytes[at + i] === bytes[other + i]; i++)
    if (isSeparator(bytes[at + i]!)) shared = i + 1;
  return shared;
}

/**
 * Adds the hashes of words and ids of the rows from `from` to before `to`. Own ids are not added, nor trace ids that
 * follow from them, since these have the time of the row.
 */
export function addHashes(rows: BlockRows, from: number, to: number, { add }: HashList): void {
  const { bytes, starts } = rows.messages;
  let before = from;
  const seen = new Uint8Array(rows.shapes.length);
  for (let row = from; row < to; row++) {
    const number = rows.shape[row]!;
    const shape = rows.shapes[number]!;
    const { has } = shape;
    if ((has & HAS.requestId) !== 0) add(hashOfId(rows.requestIds[row]!));
    if ((has & HAS.trace) !== 0) add(hashOfId(rows.traces[row]!));
    if ((has & HAS.ownTrace) !== 0 && (has & HAS.requestId) !== 0)
      add(hashOfId(derivedTraceId(rows.requestIds[row]!) ?? ''));
    const attributes = (has & HAS.attributes) === 0 ? '' : rows.attributes[row]!;
    if ((has & HAS.message) !== 0) {
      // The words that it shares with the message before have been added.
      const shared = row > before ? sharedBeginning(rows.messages, row, before) : 0;
      byteWordHashes(bytes, starts[row]! + shared, starts[row + 1]!, add);
      before = row;
    }
    // The traceback, if the record has one; path, cause and detail of a request that is not native.
    const kind = (has & HAS.native) === 0 ? shape.kind : 'line';
    if (attributes !== '') wordHashes(searchableText({ kind, message: '', attributes }), add);
    if ((has & HAS.native) === 0) continue;
    if (seen[number] === 0) {
      seen[number] = 1;
      wordHashes(nativeText(shape), add);
    }
  }
}
