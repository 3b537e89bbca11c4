// The readers of bodies, which are used again: most bodies come in one piece, so that a few readers, which stay in the
// caches of the processor, serve all connections. Hot path.
// Invariant: a reader that was given back is not used before it is taken again, and begins anew then.
import { EventReader } from './event-reader.ts';
import { PlainReader } from './plain-reader.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseReader } from './response-reader.ts';

/** Of a response that is not streamed, the names after which a tail is read. */
const TAIL_NAMES = ['usage', 'done', 'total_duration', 'meta_info', 'details'];

/** Reads the body of one request. */
export class RequestReaders {
  readonly reader = new RequestReader();
  readonly plain = new PlainReader(this.reader, ['model'], true);
}

/** Reads the body of one response. */
export class ResponseReaders {
  readonly reader = new ResponseReader();
  readonly plain = new PlainReader(this.reader, TAIL_NAMES, false);
  readonly events = new EventReader(this.reader);
}

/** Readers that are not in use. The one that was given back last is taken first. */
class Pool<T> {
  readonly #free: T[] = [];
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  take(): T {
    return this.#free.pop() ?? this.#make();
  }

  give(readers: T): void {
    if (this.#free.length < MAX_FREE) this.#free.push(readers);
  }
}

/** Readers that are kept for later. */
const MAX_FREE = 64;

export const requestReaders = new Pool(() => new RequestReaders());
export const responseReaders = new Pool(() => new ResponseReaders());
