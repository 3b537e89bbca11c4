// What the forwarders share: they move the bytes of one request each between its client and a replica.
import type { Deadlines, Expiring } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { RemovedHeaders } from '../../protocol/http/removed-headers.ts';
import type { AttemptContext } from './attempt.ts';

/** A request under way that can be ended from outside. */
export interface ActiveRequest {
  abort(failure: Failure, detail?: string): void;
}

/** What every forwarder gets from the proxy. */
export interface ForwarderContext extends AttemptContext {
  /** Requests under way: their time limits, and a list by which they are ended when the time for draining is over. */
  readonly deadlines: Deadlines<ActiveRequest & Expiring>;
  /** Headers of clients that replicas do not get; `undefined`: none. */
  readonly removed: RemovedHeaders | undefined;
}
