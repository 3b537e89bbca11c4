// The replica of each recent request. Lines of followed files, and of a supervised process that may be several replicas, get
// the deployment and replica of the request that they name.
// Invariant: at most `max` requests are kept; a request that is not kept is `undefined`.
import type { RecordOrigin } from '../log-record.ts';

/** The replica that a line belongs to. */
export type RequestOwner = Omit<RecordOrigin, 'source'>;

/** Requests that are kept: at 1,000 requests a second, those of the last 20 s. */
const MAX_REQUESTS = 20_000;

export class RequestOwners {
  readonly #byId = new Map<string, RequestOwner>();
  readonly #max: number;

  constructor(max = MAX_REQUESTS) {
    this.#max = max;
  }

  /** Keeps the owner of a request, in place of an earlier one. Removes the oldest request when there are too many. */
  put(requestId: string, owner: RequestOwner): void {
    this.#byId.delete(requestId);
    this.#byId.set(requestId, owner);
    if (this.#byId.size <= this.#max) return;
    const [oldest] = this.#byId.keys();
    this.#byId.delete(oldest!);
  }

  get(requestId: string): RequestOwner | undefined {
    return this.#byId.get(requestId);
  }
}
