// Requests that run, while files are followed or a supervised process may be several replicas: sent to the writer's thread
// with their replica, so that lines that name one get its deployment and replica.
// Invariant: a request is taken once when it is routed, and once more if it had no replica then.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RequestOwner } from './request-owners.ts';
import type { RecordedDeployment } from './request-record.ts';

/** Requests without a replica that are taken again when they have one. Of further ones it is known when they end. */
const MAX_WITHOUT_REPLICA = 10_000;

/** A request with its current replica, which is empty if the request waits. */
export interface RunningRequest {
  readonly requestId: string;
  readonly owner: RequestOwner;
}

interface Entry {
  readonly exchange: Exchange;
  readonly deployment: RecordedDeployment;
  /** It was taken, before it had a replica. */
  isTaken: boolean;
}

export class RunningRequests {
  #entries: Entry[] = [];

  /** A request was given to a deployment. Its replica is read by `take`, since most requests have one by then. */
  add(exchange: Exchange, deployment: RecordedDeployment): void {
    this.#entries.push({ exchange, deployment, isTaken: false });
  }

  /** True while a request waits for its replica, so that `take` must be called again. */
  get isWaiting(): boolean {
    return this.#entries.length > 0;
  }

  /** Returns the requests that are new, and those that waited and have a replica now. */
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
