// Reads the name of the model from the body of a request.
import { JsonSkimmer } from './json-skimmer.ts';
import type { SkimListener } from './skim-node.ts';
import type { ObjectReader } from './plain-reader.ts';
import { REQUEST } from './response-paths.ts';
import { TextCache } from './text-cache.ts';

/** Shared by all readers: most requests name the model of the one before. */
const cache = new TextCache(1);
const nothing = (): void => undefined;

export class RequestReader implements ObjectReader, SkimListener {
  /** The rest of the body need not be read. */
  isFound = false;
  #model = '';
  /** Of the end of a body, only an object that is whole counts. */
  #isEnd = false;
  readonly #skimmer = new JsonSkimmer(this);

  begin(): void {
    this.#model = '';
    this.isFound = this.#isEnd = false;
    this.#skimmer.begin(REQUEST);
  }

  beginBeforeName(): void {
    this.#model = '';
    this.#isEnd = true;
    this.#skimmer.beginBeforeName(REQUEST);
  }

  push(bytes: Buffer, from: number, to: number): void {
    this.#skimmer.push(bytes, from, to);
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
    if (!this.#isEnd) this.#skimmer.stop();
  }

  readonly number = nothing;
  readonly flag = nothing;
  readonly filled = nothing;
  readonly raw = nothing;
  readonly begins = nothing;
  readonly ends = nothing;
}
