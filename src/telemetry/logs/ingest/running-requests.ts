// Collects running requests with their replicas for the recorder thread, so that log lines with a request id get the
// deployment and replica of the request. Used if log files are followed, or a supervised process is several replicas.
// Invariant: a request is returned once after it was routed, and once more if it had no replica then.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RequestOwner } from './request-owners.ts';
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';

/** Maximum number of requests that are kept until they have a replica. The replica of others is known at their end. */
const MAX_WITHOUT_REPLICA = 10_000;

/** A request with its current replica, which is empty while the request waits for one. */
export interface RunningRequest {
  readonly requestId: string;
  readonly owner: RequestOwner;
}

interface Entry {
  readonly exchange: Exchange;
  readonly deployment: DeploymentIdentity;
  /** `take` has returned it, without a replica. */
  isTaken: boolean;
}

export class RunningRequests {
  #entries: Entry[] = [];

  /** Adds a request that was routed to a deployment. `take` reads its replica, since most requests have one by then. */
  add(exchange: Exchange, deployment: DeploymentIdentity): void {
    this.#entries.push({ exchange, deployment, isTaken: false });
  }

  /** True while a request waits for its replica. Then `take` must be called again. */
  get isWaiting(): boolean {
    return this.#entries.length > 0;
  }

  /** Returns the new requests, and those that waited and have a replica now. */
  take(): RunningRequest[] {
    if (this.#entries.length === 0) return [];
    const taken: RunningRequest[] = [];
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) {
      const { exchange, deployment, isTaken } = entry;
      const { id: requestId, replica } = exchange;
      if (!isTaken || replica !== '') {
        taken.push({
          requestId,
          owner: { deployment: deployment.id, environment: deployment.environment, replica },
        });
        entry.isTaken = true;
      }
      const isWaiting = replica === '' && exchange.isOpen;
      if (isWaiting && this.#entries.length < MAX_WITHOUT_REPLICA) this.#entries.push(entry);
    }
    return taken;
  }
}
