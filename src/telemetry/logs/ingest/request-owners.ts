// Maps the ids of recent requests to their deployments and replicas. Log lines of followed files, and of a supervised
// process that is several replicas, get the owner of the request whose id they contain.
// Invariant: at most `max` requests are kept.
import type { LineOrigin } from '../log-record.ts';

/** The deployment, environment and replica that a line belongs to. */
export type RequestOwner = Omit<LineOrigin, 'source'>;

/** Number of requests that are kept. At 1,000 requests a second, these are the requests of the last 20 s. */
const MAX_REQUESTS = 20_000;

export class RequestOwners {
  readonly #byId = new Map<string, RequestOwner>();
  readonly #max: number;

  constructor(max = MAX_REQUESTS) {
    this.#max = max;
  }

  /** Sets the owner of a request. Removes the oldest request if there are too many. */
  put(requestId: string, owner: RequestOwner): void {
    this.#byId.delete(requestId);
    this.#byId.set(requestId, owner);
    if (this.#byId.size <= this.#max) return;
    const [oldest] = this.#byId.keys();
    this.#byId.delete(oldest!);
  }

  /** True if a request is kept. */
  get isUsed(): boolean {
    return this.#byId.size > 0;
  }

  /** `undefined`: unknown, or no longer kept. */
  get(requestId: string): RequestOwner | undefined {
    return this.#byId.get(requestId);
  }
}
