// Which replica has or had a request: so that lines of followed files that name a request belong where it ran.
// Must stay true: memory is bounded; what is not known any more is `undefined`, never a guess.
import type { Origin } from './record.ts';

/** Whose a line is. */
export type Owner = Omit<Origin, 'source'>;

/** Requests that are remembered: at 1,000 a second, those of the last 20 s. */
const MAX_REQUESTS = 20_000;

export class Owners {
  readonly #byId = new Map<string, Owner>();
  readonly #max: number;

  constructor(max = MAX_REQUESTS) {
    this.#max = max;
  }

  /** Remembers a request; what is known of it before is replaced. The oldest is forgotten where there are too many. */
  put(requestId: string, owner: Owner): void {
    this.#byId.delete(requestId);
    this.#byId.set(requestId, owner);
    if (this.#byId.size <= this.#max) return;
    const [oldest] = this.#byId.keys();
    this.#byId.delete(oldest!);
  }

  get(requestId: string): Owner | undefined {
    return this.#byId.get(requestId);
  }
}
