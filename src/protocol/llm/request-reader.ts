// Reads the name of the model from the body of a request. Hot path.
// Invariant: the name is the one that JsonSkimmer finds. Clients send the same bytes up to the name in each request, so the
// name of the body before is taken if this one begins with them.
import { JsonSkimmer } from './json-skimmer.ts';
import type { SkimListener } from './skim-node.ts';
import type { ObjectReader } from './plain-reader.ts';
import { REQUEST } from './response-paths.ts';
import { TextCache } from './text-cache.ts';

/** Shared by all readers: most requests name the model of the one before. */
const cache = new TextCache(1);
const nothing = (): void => undefined;

/** A longer begin is not remembered. */
const MAX_BEGIN = 256;
/** The bytes up to the name of the last body, with the quote behind it, and the name. Shared by all readers. */
const last = { bytes: new Uint8Array(), model: '' };

export class RequestReader implements ObjectReader, SkimListener {
  /** The rest of the body need not be read. */
  isFound = false;
  #model = '';
  /** Of the end of a body, only an object that is whole counts. */
  #isEnd = false;
  /** The piece that the body began with, while it is read. */
  #first: Buffer | undefined;
  #firstAt = 0;
  #hasBegun = false;
  readonly #skimmer = new JsonSkimmer(this);

  begin(): void {
    this.#model = '';
    this.isFound = this.#isEnd = this.#hasBegun = false;
    this.#skimmer.begin(REQUEST);
  }

  beginBeforeName(): void {
    this.#model = '';
    this.#isEnd = this.#hasBegun = true;
    this.#skimmer.beginBeforeName(REQUEST);
  }

  push(bytes: Buffer, from: number, to: number): void {
    if (this.#hasBegun) {
      this.#skimmer.push(bytes, from, to);
      return;
    }
    this.#hasBegun = true;
    if (beginsAsLast(bytes, from, to)) {
      this.#model = last.model;
      this.isFound = true;
      return;
    }
    this.#first = bytes;
    this.#firstAt = from;
    this.#skimmer.push(bytes, from, to);
    this.#first = undefined;
  }

  /** Empty if the body names none. */
  get model(): string {
    return this.#isEnd && !this.isWhole ? '' : this.#model;
  }

  get isWhole(): boolean {
    return this.#skimmer.isWhole;
  }

  text(_slot: number, bytes: Buffer, from: number, to: number): void {
    this.#model = cache.text(0, bytes, from, to);
    this.isFound = true;
    if (this.#isEnd) return;
    this.#skimmer.stop();
    if (bytes !== this.#first || to - this.#firstAt >= MAX_BEGIN) return;
    last.bytes = Uint8Array.prototype.slice.call(bytes, this.#firstAt, to + 1);
    last.model = this.#model;
  }

  readonly number = nothing;
  readonly flag = nothing;
  readonly filled = nothing;
  readonly raw = nothing;
  readonly begins = nothing;
  readonly ends = nothing;
}

function beginsAsLast(bytes: Buffer, from: number, to: number): boolean {
  const begin = last.bytes;
  const { length } = begin;
  if (length === 0 || to - from < length) return false;
  let i = 0;
  while (i < length && begin[i] === bytes[from + i]) i++;
  return i === length;
}
