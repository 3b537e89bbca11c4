// Reads the name of the model from the body of a request.
import { JsonSkimmer, type SkimListener } from './json-skimmer.ts';
import type { ObjectReader } from './plain-reader.ts';
import { REQUEST } from './response-paths.ts';
import { TextCache } from './text-cache.ts';

/** Shared by all readers: most requests name the model of the one before. */
const cache = new TextCache(1);
const nothing = (): void => undefined;

export class RequestReader implements ObjectReader, SkimListener {
  /** Empty if the body names none. */
  model = '';
  /** The rest of the body need not be read. */
  isFound = false;
  readonly #skimmer = new JsonSkimmer(this);

  begin(): void {
    this.model = '';
    this.isFound = false;
    this.#skimmer.begin(REQUEST);
  }

  beginBeforeName(): void {
    this.#skimmer.beginBeforeName(REQUEST);
  }

  push(bytes: Buffer, from: number, to: number): number {
    return this.#skimmer.push(bytes, from, to, false);
  }

  get isWhole(): boolean {
    return this.#skimmer.isWhole;
  }

  text(_slot: number, bytes: Buffer, from: number, to: number): void {
    this.model = cache.text(0, bytes, from, to);
    this.isFound = true;
  }

  readonly number = nothing;
  readonly flag = nothing;
  readonly filled = nothing;
  readonly raw = nothing;
  readonly begins = nothing;
  readonly ends = nothing;
}
