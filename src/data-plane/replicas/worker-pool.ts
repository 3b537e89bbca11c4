// The pool of a data thread other than the main thread: takes places in shared memory, and waits by messages. It probes
// nothing and resolves no names; the Pool in the main thread does. Hot path.
// Invariant: it has the deployments of the Pool in the same order.
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { BufferBudget } from './buffer-budget.ts';
import type { Lease } from './lease.ts';
import type { DeploymentState, ToThread } from './messages-to-thread.ts';
import type { PoolOptions } from './options.ts';
import type { Replica } from './replica.ts';
import type { ReplicaPool } from './replica-pool.ts';
import { RetryLoad } from './retry-load.ts';
import type { PoolPort } from './thread-link.ts';
import type { Waiter, WaitEntry } from './wait-queue.ts';
import { WorkerDeployment, type WorkerContext } from './worker-deployment.ts';

/** What `Pool.attachThread` returns for a thread. It can be sent to the thread. */
export interface WorkerPoolStart {
  readonly thread: number;
  readonly options: PoolOptions;
  readonly budgetMemory: ArrayBufferLike;
  /** By index of the deployment. */
  readonly retryMemories: readonly ArrayBufferLike[];
  readonly deployments: readonly DeploymentState[];
}

export class WorkerPool implements ReplicaPool {
  readonly name = 'pool';
  readonly deployments: WorkerDeployment[] = [];
  readonly retryLoads: readonly RetryLoad[];
  readonly #context: WorkerContext;
  readonly #port: PoolPort;
  readonly #updated: () => void;
  #isRefusingAll = false;

  /** `updated`: called when deployments or their options have changed. */
  constructor(start: WorkerPoolStart, port: PoolPort, updated: () => void = () => undefined) {
    const { thread, options, budgetMemory, retryMemories } = start;
    let lastTicket = 0;
    this.#context = {
      thread,
      bufferBudget: new BufferBudget(options.max_queue_bytes, budgetMemory, thread),
      slowReturnMs: options.slow_return,
      send: (message) => port.postMessage(message),
      newTicket: () => ++lastTicket,
    };
    this.retryLoads = retryMemories.map((memory) => new RetryLoad(memory, thread));
    this.#updated = updated;
    this.#port = port;
    for (const state of start.deployments) this.#apply(state);
    port.on('message', (message: ToThread) => this.#received(message));
    // Only servers keep a process running.
    port.unref();
  }

  stop(): void {
    this.#port.close();
  }

  reserve(exchange: Exchange, waiter: Waiter, avoid?: Replica): Lease | WaitEntry | Failure {
    if (this.#isRefusingAll) return 'draining';
    return this.deployments[exchange.deployment]!.reserve(exchange, waiter, avoid);
  }

  tryReserveIdle(deployment: number): Lease | undefined {
    return this.#isRefusingAll ? undefined : this.deployments[deployment]?.tryReserveIdle();
  }

  refuseAll(): void {
    this.#isRefusingAll = true;
    for (const deployment of this.deployments) deployment.refuseAll();
  }

  get current(): WorkerDeployment[] {
    return this.deployments.filter(({ isGone }) => !isGone);
  }

  #received(message: ToThread): void {
    switch (message.kind) {
      case 'deployment':
        this.#apply(message);
        this.#updated();
        break;
      case 'granted':
        this.deployments[message.deployment]!.granted(message);
        break;
      case 'refused':
        this.deployments[message.deployment]!.refused(message);
        break;
    }
  }

  #apply(state: DeploymentState): void {
    const known = this.deployments[state.index];
    if (known === undefined) this.deployments[state.index] = new WorkerDeployment(state, this.#context);
    else known.apply(state);
  }
}
