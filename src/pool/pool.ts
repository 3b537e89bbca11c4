// The pool: which replica holds which request. Choosing and reserving are one act; the lease is the undo. Hot path.
// Must stay true: `outstanding` is exactly the number of leases not yet released, whatever way exchanges end.
import type { Failure } from '../base/errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { Health } from './health.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import { leastOutstanding } from './pick.ts';
import { Replica, type ReplicaState } from './replica.ts';

export type { ReplicaUrl } from './options.ts';
export type { Replica } from './replica.ts';

/** A place at a replica, held until it is released. */
export class Lease {
  readonly replica: Replica;
  readonly #unreachable: (replica: Replica) => void;
  #isHeld = true;

  constructor(replica: Replica, unreachable: (replica: Replica) => void) {
    this.replica = replica;
    this.#unreachable = unreachable;
    replica.outstanding++;
  }

  /** Gives the place back; a second call changes nothing. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.replica.outstanding--;
  }

  /** The replica refused a connection or did not accept one in time: it gets no more until a probe succeeds. */
  unreachable(): void {
    this.#unreachable(this.replica);
  }
}

/** One deployment: its place in the configuration is its index everywhere. */
export class Deployment {
  readonly options: DeploymentOptions;
  readonly replicas: Replica[];
  #turn = 0;

  constructor(options: DeploymentOptions, changed: (replica: Replica, from: ReplicaState) => void) {
    this.options = options;
    this.replicas = options.replicas.map((replica) => new Replica(replica, changed));
  }

  pick(): Replica | undefined {
    this.#turn = (this.#turn + 1) % this.replicas.length;
    return leastOutstanding(this.replicas, this.#turn);
  }

  count(state: ReplicaState): number {
    let count = 0;
    for (const replica of this.replicas) if (replica.state === state) count++;
    return count;
  }
}

/** What the pool tells others when a replica's state changes. */
export interface ReplicaChange {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  /** What the last probe said was wrong; empty when it was well. */
  readonly problem: string;
}

export class Pool {
  readonly name = 'pool';
  readonly deployments: readonly Deployment[];
  readonly #health = new Map<Replica, Health>();
  readonly #unreachable = (replica: Replica): void => {
    if (replica.isReady) replica.to('down');
    this.#health.get(replica)?.askSoon();
  };

  constructor(
    deployments: readonly DeploymentOptions[],
    options: PoolOptions,
    changed: (change: ReplicaChange) => void,
  ) {
    this.deployments = deployments.map((settings) => {
      const deployment: Deployment = new Deployment(settings, (replica, from) =>
        changed({
          deployment: settings.id,
          replica: replica.id,
          url: replica.url.href,
          from,
          to: replica.state,
          problem: this.#health.get(replica)?.problem ?? '',
        }),
      );
      for (const replica of deployment.replicas)
        this.#health.set(replica, new Health(replica, settings.readiness_path, options));
      return deployment;
    });
  }

  /** Asks every replica once before it returns (each within `probe_timeout`), then on timers. */
  async start(): Promise<void> {
    await Promise.all(Array.from(this.#health.values(), (health) => health.start()));
  }

  stop(): void {
    for (const health of this.#health.values()) health.stop();
  }

  /** A place for this exchange at a replica of its deployment, or why there is none. */
  reserve(exchange: Exchange): Lease | Failure {
    const replica = this.deployments[exchange.deployment]!.pick();
    if (replica === undefined) return 'no_replica';
    exchange.replica = replica.id;
    exchange.leasedMs = performance.now();
    return new Lease(replica, this.#unreachable);
  }

  /** True when some deployment has a replica that takes requests. */
  get isReady(): boolean {
    return this.deployments.some((deployment) => deployment.replicas.some((replica) => replica.isReady));
  }

  /** Every replica as it is now, for people. */
  snapshot(): unknown[] {
    return this.deployments.map(({ options, replicas }) => ({
      id: options.id,
      environment: options.environment,
      replicas: replicas.map((replica) => ({
        id: replica.id,
        url: replica.url.href,
        state: replica.state,
        outstanding: replica.outstanding,
        problem: this.#health.get(replica)!.problem,
      })),
    }));
  }

  /** The supervised process behind the one replica was started anew: it must prove itself again. */
  restarted(): void {
    for (const [replica, health] of this.#health) {
      replica.to('starting');
      health.askSoon();
    }
  }
}
