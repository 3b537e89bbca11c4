// The pool: which replica holds which request. Choosing and reserving are one act; the lease is the undo. Hot path.
// Must stay true: a deployment keeps its index for as long as the process lives, also when the configuration changes.
//   deployment.ts  who gets the next place      line.ts   who waits for one       lease.ts  a place that is held
//   replica.ts     the state of one replica     health.ts what moves it           pick-replica.ts   the choice itself
//   addresses.ts   the replicas behind a host name             replica-events.ts  the events of its changes
import { Deadlines } from '../../core/deadlines.ts';
import { WeirError, type Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import {
  Addresses,
  expand,
  resolveReplicaHost,
  type AddressChange,
  type ResolveReplicaHost,
} from './addresses.ts';
import { Deployment, type DeploymentReports } from './deployment.ts';
import type { Lease } from './lease.ts';
import { BufferBudget, type Waiter, type WaitEntry } from './wait-queue.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import type { Replica, ReplicaState } from './replica.ts';
import { trustOf, type ReplicaTrust } from './replica-tls.ts';

export { Lease } from './lease.ts';
export { WaitEntry } from './wait-queue.ts';
export type { Waiter } from './wait-queue.ts';
export type { Deployment } from './deployment.ts';
export { deploymentEvents, replicaEvents } from './replica-events.ts';
export { speaksGrpc } from './options.ts';
export type { DeploymentOptions, ReplicaUrl } from './options.ts';
export type { Replica } from './replica.ts';

/** Maximum number of replicas that `whyNotReady` names. */
const MAX_REASONS = 5;

/** Deployments that a process can come to know: counters have room for so many. */
export const MAX_DEPLOYMENTS = 64;

/** A replica that takes no requests because its probes fail; `forMs`: how long they have failed, in milliseconds. */
export interface FailingReplica {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly problem: string;
  readonly forMs: number;
}

/** A replica that needs a restart, and why. */
export interface DeadReplica {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly reason: string;
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
  /** Number of requests in flight. */
  readonly running: number;
}

/** Who hears of what happens in the pool. */
export interface PoolEvents {
  readonly changed: (change: ReplicaChange) => void;
  /** A replica answered a probe for the first time since its process started. */
  readonly reached?: (replica: Pick<ReplicaChange, 'deployment' | 'replica' | 'url'>) => void;
  /** A place at a deployment is free, and no request waits for it. Called often. */
  readonly spare?: (deployment: string) => void;
  /** The addresses of a host name have changed, or resolving it began to fail or to work again. */
  readonly resolved?: (change: AddressChange) => void;
  /** A replica that takes no requests keeps failing its probes. Called at the first failure, then after growing pauses. */
  readonly failing?: (replica: FailingReplica) => void;
  /** A replica failed its liveness probe too often, or did not become ready in time. */
  readonly dead: (replica: DeadReplica) => void;
}

export class Pool {
  readonly name = 'pool';
  readonly deployments: Deployment[] = [];
  readonly holding: BufferBudget;
  readonly #options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #deadlines = new Deadlines();
  readonly #addresses: Addresses;
  /** Deployments by id, as configured: with host names. */
  #wanted: ReadonlyMap<string, DeploymentOptions>;
  #isStarted = false;

  /** Throws a Fault when the authorities of a deployment cannot be read. `resolve` stands for the system's resolver. */
  constructor(
    deployments: readonly DeploymentOptions[],
    options: PoolOptions,
    events: PoolEvents,
    resolve: ResolveReplicaHost = resolveReplicaHost,
  ) {
    this.#options = options;
    const times = { intervalMs: options.resolve_interval, timeoutMs: options.probe_timeout };
    this.#addresses = new Addresses(times, resolve, (change) => {
      events.resolved?.(change);
      this.#readdress();
    });
    this.#wanted = byId(deployments);
    this.#events = events;
    this.holding = new BufferBudget(options.max_queue_bytes);
    for (const settings of deployments) {
      const trust = trustOf(settings);
      if ('problem' in trust) throw new WeirError('bad_settings', trust.problem);
      this.#add(settings, trust);
    }
  }

  /** Resolves host names and probes every replica once before it returns (each within `probe_timeout`), then on timers. */
  async start(): Promise<void> {
    await this.#follow();
    this.#isStarted = true;
    await Promise.all(this.deployments.map((deployment) => deployment.start(this.#expanded(deployment))));
  }

  stop(): void {
    this.#addresses.stop();
    for (const deployment of this.deployments) deployment.stop();
  }

  /** A place at a replica of a deployment, for work that can wait until nobody else wants one. */
  spare(deployment: number): Lease | undefined {
    return this.deployments[deployment]?.spare();
  }

  /** The process is about to end: nobody waits any more for a replica that is not there. */
  close(): void {
    for (const deployment of this.deployments) deployment.close();
  }

  /** The time for draining is over: nobody gets a place any more, and nobody waits for one. */
  cut(): void {
    for (const deployment of this.deployments) deployment.cut();
  }

  /**
   * A place at a replica of the exchange's deployment, or one in the line, whose `applicant` then hears; or why there is
   * neither. `avoid`: the replica that has just failed it.
   */
  reserve(exchange: Exchange, applicant: Waiter, avoid?: Replica): Lease | WaitEntry | Failure {
    return this.deployments[exchange.deployment]!.reserve(exchange, applicant, avoid);
  }

  /**
   * Takes a changed list of deployments, known by their ids: no exchange is lost. Returns '' or why it cannot be done,
   * and then nothing has changed.
   */
  update(wanted: readonly DeploymentOptions[]): string {
    const known = new Map(this.deployments.map((deployment) => [deployment.options.id, deployment]));
    const added = wanted.filter(({ id }) => !known.has(id));
    if (this.deployments.length + added.length > MAX_DEPLOYMENTS)
      return `more than ${MAX_DEPLOYMENTS} deployments since the start: that takes a restart`;
    for (const options of wanted) {
      const running = known.get(options.id)?.options.replicas[0]!.url.protocol;
      if (running !== undefined && options.replicas.some(({ url }) => url.protocol !== running))
        return `deployment ${options.id}: replicas that change their scheme take a restart`;
    }
    const trusts = new Map<string, ReplicaTrust>();
    for (const options of wanted) {
      const trust = trustOf(options);
      if ('problem' in trust) return trust.problem;
      trusts.set(options.id, trust);
    }
    this.#wanted = byId(wanted);
    for (const { id } of wanted) {
      const deployment = known.get(id);
      deployment?.update(this.#expanded(deployment), trusts.get(id)!);
    }
    for (const options of added) {
      const deployment = this.#add(options, trusts.get(options.id)!);
      void deployment.start(this.#expanded(deployment));
    }
    void this.#follow();
    const ids = new Set(wanted.map(({ id }) => id));
    for (const deployment of this.deployments)
      if (!deployment.isGone && !ids.has(deployment.options.id)) deployment.retire();
    return '';
  }

  /** True when some deployment has a replica that takes requests. */
  get isReady(): boolean {
    return this.deployments.some((deployment) => deployment.hasReady);
  }

  /**
   * The reason why no replica takes requests: `r0 is starting: connect ECONNREFUSED 127.0.0.1:8000, last probe 2 s ago`.
   * Of many replicas it names the first MAX_REASONS.
   */
  whyNotReady(): string {
    const known = this.deployments.filter(({ isGone }) => !isGone);
    const all = known.flatMap((deployment) =>
      deployment.replicas.map((replica) => {
        const name = known.length > 1 ? `${deployment.options.id}/${replica.id}` : replica.id;
        const problem = deployment.problemOf(replica);
        const sinceMs = deployment.sinceProbeMs(replica);
        return (
          `${name} is ${replica.state}${problem === '' ? '' : `: ${problem}`}` +
          (sinceMs === undefined ? '' : `, last probe ${Math.round(sinceMs / 1000)} s ago`)
        );
      }),
    );
    if (all.length === 0) return 'no replica is configured';
    const more = all.length - MAX_REASONS;
    return all.slice(0, MAX_REASONS).join('; ') + (more > 0 ? `; and ${more} more` : '');
  }

  /** Every replica as it is now, for people. */
  snapshot(): unknown[] {
    return this.deployments
      .filter(({ isGone, replicas }) => !isGone || replicas.length > 0)
      .map((deployment) => {
        const { options, replicas, line } = deployment;
        return {
          id: options.id,
          environment: options.environment,
          traffic_weight: options.traffic_weight,
          concurrency_target: options.concurrency_target,
          waiting: line.length,
          replicas: replicas.map((replica) => ({
            id: replica.id,
            url: replica.url.href,
            // Its host has several addresses; this is the one of this replica.
            ...(replica.url.host !== replica.url.name && { address: replica.url.host }),
            state: replica.state,
            alive: replica.isAlive,
            outstanding: replica.outstanding,
            broken_in_a_row: replica.failures,
            leaving: replica.isLeaving,
            problem: deployment.problemOf(replica),
          })),
        };
      });
  }

  /** Gives a replica no more requests; false where there is none of that name. */
  drain(deployment: string, replica: string): boolean {
    return this.#each(deployment, replica, (its, found) => its.drain(found));
  }

  /** Undoes `drain`: the replica has to prove itself, and gets requests again. */
  resume(deployment: string, replica: string): boolean {
    return this.#each(deployment, replica, (its, found) => its.resume(found));
  }

  /** The process of the replicas at `urls` has ended. */
  processEnded(urls: ReadonlySet<string>): void {
    for (const deployment of this.deployments) deployment.processEnded(({ url }) => urls.has(url.href));
  }

  /** The supervised process, which answers at `urls`, was started again: its replicas must become ready again. */
  restarted(urls: ReadonlySet<string>): void {
    for (const deployment of this.deployments) deployment.restarted(urls);
  }

  #each(id: string, replicaId: string, act: (deployment: Deployment, replica: Replica) => void): boolean {
    const deployment = this.deployments.find(({ options, isGone }) => options.id === id && !isGone);
    const replica = deployment?.replicas.find((one) => one.id === replicaId && !one.isLeaving);
    if (deployment === undefined || replica === undefined) return false;
    act(deployment, replica);
    return true;
  }

  /** Resolves the host names of the configuration, and no others. */
  #follow(): Promise<void> {
    const replicas = [...this.#wanted.values()].flatMap((options) => options.replicas);
    return this.#addresses.follow(replicas.map(({ url }) => url.host));
  }

  /** A deployment's options with a replica for every currently known address. */
  #expanded({ options: { id }, options }: Deployment): DeploymentOptions {
    return expand(this.#wanted.get(id) ?? options, this.#addresses.of);
  }

  /** Applies changed addresses. Does nothing before the start. */
  #readdress(): void {
    if (!this.#isStarted) return;
    for (const deployment of this.deployments)
      if (!deployment.isGone) deployment.readdress(this.#expanded(deployment));
  }

  #add(options: DeploymentOptions, trust: ReplicaTrust): Deployment {
    const named = ({ id, url }: Replica) => ({ deployment: options.id, replica: id, url: url.href });
    const reports: DeploymentReports = {
      changed: (replica, from) => {
        if (replica.state === 'down') this.#addresses.askSoon(replica.url.name);
        this.#events.changed({
          ...named(replica),
          from,
          to: replica.state,
          problem: deployment.problemOf(replica),
          running: replica.outstanding,
        });
      },
      reached: (replica) => this.#events.reached?.(named(replica)),
      spare: () => this.#events.spare?.(options.id),
      failing: (replica, problem, forMs) => this.#events.failing?.({ ...named(replica), problem, forMs }),
      dead: (replica, reason) => this.#events.dead({ ...named(replica), reason }),
    };
    const shared = { holding: this.holding, deadlines: this.#deadlines };
    const deployment: Deployment = new Deployment(
      this.deployments.length,
      options,
      trust,
      this.#options,
      shared,
      reports,
    );
    this.deployments.push(deployment);
    return deployment;
  }
}

const byId = (deployments: readonly DeploymentOptions[]): ReadonlyMap<string, DeploymentOptions> =>
  new Map(deployments.map((options) => [options.id, options]));
