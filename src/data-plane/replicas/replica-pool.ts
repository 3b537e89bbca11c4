// The pool as a data thread uses it: the Pool in the main thread, a WorkerPool in the others.
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { Lease } from './lease.ts';
import type { Replica } from './replica.ts';
import type { RetryLoad } from './retry-load.ts';
import type { ThreadDeployment } from './thread-deployment.ts';
import type { Waiter, WaitEntry } from './wait-queue.ts';

export interface ReplicaPool {
  /** By index. Removed deployments are kept. */
  readonly deployments: readonly ThreadDeployment[];
  /** Deployments of the current configuration. */
  readonly current: readonly ThreadDeployment[];
  /** By index of the deployment. */
  readonly retryLoads: readonly RetryLoad[];
  /**
   * Reserves a replica of the exchange's deployment. Returns a lease, or an entry in the wait queue whose outcome
   * `waiter` receives, or the reason for a refusal. `avoid`: the replica that just failed the request.
   */
  reserve(exchange: Exchange, waiter: Waiter, avoid?: Replica): Lease | WaitEntry | Failure;
  /** Returns a lease only if a replica is free and no request waits; for work that can wait itself. */
  tryReserveIdle(deployment: number): Lease | undefined;
  /** Called when the time for draining is over: refuses every waiting and every further request of this thread. */
  refuseAll(): void;
}
