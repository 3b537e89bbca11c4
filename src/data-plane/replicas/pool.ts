// All deployments and their replicas: reserves a replica for each request and keeps the replicas' health. Hot path.
// Invariant: a deployment keeps its index as long as the process runs, also when the configuration changes.
//   deployment.ts    leases and the wait queue of one deployment    replica-set.ts     the replicas of one deployment
//   wait-queue.ts    requests that wait for a replica               replica.ts         the state of one replica
//   lease.ts         one reserved place at a replica                replica-health.ts  readiness and liveness probes
//   pick-replica.ts  the choice of a replica                        host-addresses.ts  addresses of host names
//   pool-status.ts   descriptions for operators                     replica-events.ts  lifecycle events in the log
// With several data threads the pool is in the main thread, and each other thread has a WorkerPool:
//   thread-deployment.ts   what deployments are in every thread     worker-pool.ts     the pool of another thread
//   place-count.ts         counts that the threads share            thread-link.ts     the connection to a thread
//   wait-gate.ts           who may take a place at once             retry-load.ts      retries of all threads
import { Deadlines } from '../../core/deadlines.ts';
import { WeirError, type Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { BufferBudget, budgetMemory } from './buffer-budget.ts';
import { Deployment, type DeploymentReports } from './deployment.ts';
import { expandHosts, HostAddresses, resolveReplicaHost, type ResolveReplicaHost } from './host-addresses.ts';
import type { Lease } from './lease.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import type { PoolEvents } from './pool-events.ts';
import { poolSnapshot, whyNotReady } from './pool-status.ts';
import type { Replica } from './replica.ts';
import { trustOf, type ReplicaTrust } from './replica-tls.ts';
import { RetryLoad } from './retry-load.ts';
import { countMemory } from './place-count.ts';
import type { ReplicaPool } from './replica-pool.ts';
import { ThreadLink, type PoolPort } from './thread-link.ts';
import type { Waiter, WaitEntry } from './wait-queue.ts';
import type { WorkerPoolStart } from './worker-pool.ts';

export { Lease } from './lease.ts';
export { WaitEntry } from './wait-queue.ts';
export type { Waiter } from './wait-queue.ts';
export type { Deployment } from './deployment.ts';
export type { ThreadDeployment } from './thread-deployment.ts';
export type { ReplicaPool } from './replica-pool.ts';
export { WorkerPool } from './worker-pool.ts';
export type { PoolPort } from './thread-link.ts';
export type { WorkerPoolStart } from './worker-pool.ts';
export { RetryLoad } from './retry-load.ts';
export type { RetryCounts } from './retry-load.ts';
export { connectWithNode } from './node-replica-h2.ts';
export { connectHttp2, noHttp2, NO_HTTP2_CODE } from './replica-h2.ts';
export { deploymentEvents, phaseOf, replicaEvents } from './replica-events.ts';
export type { FailingReplica, PoolEvents } from './pool-events.ts';
export { agentFor } from './own-connection.ts';
export { speaksGrpc, speaksHttp2, targetOf } from './replica-url.ts';
export type { ReplicaUrl } from './replica-url.ts';
export type { DeploymentOptions } from './options.ts';
export type { Replica } from './replica.ts';

/** Maximum number of deployments in the life of a process, removed ones included, since counters are sized for it. */
export const MAX_DEPLOYMENTS = 64;

export class Pool implements ReplicaPool {
  readonly name = 'pool';
  readonly deployments: Deployment[] = [];
  readonly bufferBudget: BufferBudget;
  readonly retryLoads: readonly RetryLoad[];
  readonly #budgetMemory: ArrayBufferLike | undefined;
  readonly #threads: number;
  /** The other data threads, by number. */
  readonly #links = new Map<number, ThreadLink>();
  readonly #options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #deadlines = new Deadlines();
  readonly #addresses: HostAddresses;
  /** Deployments by id, as configured: with host names. */
  #configured: ReadonlyMap<string, DeploymentOptions>;
  #isStarted = false;

  /**
   * Throws a WeirError if certificate authorities cannot be read. `threads`: the number of data threads, the main thread
   * included. `resolve` replaces the system's resolver.
   */
  constructor(
    deployments: readonly DeploymentOptions[],
    options: PoolOptions,
    events: PoolEvents,
    resolve: ResolveReplicaHost = resolveReplicaHost,
    threads = 1,
  ) {
    this.#options = options;
    this.#threads = threads;
    const times = { intervalMs: options.resolve_interval, timeoutMs: options.probe_timeout };
    this.#addresses = new HostAddresses(times, resolve, (change) => {
      events.resolved?.(change);
      this.#applyAddresses();
    });
    this.#configured = byId(deployments);
    this.#events = events;
    this.#budgetMemory = budgetMemory(threads);
    this.bufferBudget = new BufferBudget(options.max_queue_bytes, this.#budgetMemory);
    this.retryLoads = Array.from({ length: MAX_DEPLOYMENTS }, () => new RetryLoad(countMemory(threads)));
    for (const settings of deployments) {
      const trust = trustOf(settings);
      if ('problem' in trust) throw new WeirError('bad_settings', trust.problem);
      this.#add(settings, trust);
    }
  }

  /** Resolves host names and probes every replica once (each within `probe_timeout`), then on timers. */
  async start(): Promise<void> {
    await this.#resolveHosts();
    this.#isStarted = true;
    await Promise.all(this.deployments.map((deployment) => deployment.start(this.#expanded(deployment))));
  }

  stop(): void {
    this.#addresses.stop();
    for (const deployment of this.deployments) deployment.stop();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /**
   * Connects another data thread, 1 to `threads` - 1, by a port whose other end the thread gives to its WorkerPool with
   * what this returns.
   */
  attachThread(thread: number, port: PoolPort): WorkerPoolStart {
    this.#links.set(thread, new ThreadLink(thread, port, this.deployments));
    return {
      thread,
      options: this.#options,
      budgetMemory: this.#budgetMemory!,
      retryMemories: this.retryLoads.map(({ memory }) => memory),
      deployments: this.deployments.map(({ state }) => state),
    };
  }

  /**
   * A thread has ended: its requests leave the wait queues, and its places, buffered bytes and retries are given back.
   * Another one may be attached with its number.
   */
  threadLost(thread: number): void {
    const link = this.#links.get(thread);
    if (link === undefined) return;
    this.#links.delete(thread);
    link.close();
    this.bufferBudget.threadLost(thread);
    for (const load of this.retryLoads) load.threadLost(thread);
    for (const deployment of this.deployments) deployment.threadLost(thread);
  }

  /** Returns a lease only if a replica is free and no request waits; for work that can wait itself. */
  tryReserveIdle(deployment: number): Lease | undefined {
    return this.deployments[deployment]?.tryReserveIdle();
  }

  /** Called when the process begins to shut down: requests no longer wait for a deployment without a ready replica. */
  startDraining(): void {
    for (const deployment of this.deployments) deployment.startDraining();
  }

  /** Called when the time for draining is over: refuses every waiting and every further request. */
  refuseAll(): void {
    for (const deployment of this.deployments) deployment.refuseAll();
  }

  /**
   * Reserves a replica of the exchange's deployment. Returns a lease, or an entry in the wait queue whose outcome
   * `waiter` receives, or the reason for a refusal. `avoid`: the replica that just failed the request.
   */
  reserve(exchange: Exchange, waiter: Waiter, avoid?: Replica): Lease | WaitEntry | Failure {
    return this.deployments[exchange.deployment]!.reserve(exchange, waiter, avoid);
  }

  /**
   * Applies a changed list of deployments, identified by their ids; no exchange is lost. Returns '', or why the list
   * cannot be applied; then nothing has changed.
   */
  update(wanted: readonly DeploymentOptions[]): string {
    const known = new Map(this.deployments.map((deployment) => [deployment.options.id, deployment]));
    const added = wanted.filter(({ id }) => !known.has(id));
    const count = this.deployments.length + added.length;
    if (count > MAX_DEPLOYMENTS)
      return `${count} deployments since weir started, the maximum is ${MAX_DEPLOYMENTS}: restart weir to apply this`;
    for (const options of wanted) {
      const running = known.get(options.id)?.options.replicas[0]!.url.protocol;
      const changed = options.replicas.find(({ url }) => running !== undefined && url.protocol !== running);
      if (changed !== undefined)
        return (
          `deployment ${options.id}: the scheme of its replicas changes from ${running}// to ` +
          `${changed.url.protocol}//: restart weir to apply this`
        );
    }
    const trusts = new Map<string, ReplicaTrust>();
    for (const options of wanted) {
      const trust = trustOf(options);
      if ('problem' in trust) return trust.problem;
      trusts.set(options.id, trust);
    }
    this.#configured = byId(wanted);
    for (const { id } of wanted) {
      const deployment = known.get(id);
      deployment?.update(this.#expanded(deployment), trusts.get(id)!);
    }
    for (const options of added) {
      const deployment = this.#add(options, trusts.get(options.id)!);
      void deployment.start(this.#expanded(deployment));
    }
    void this.#resolveHosts();
    const ids = new Set(wanted.map(({ id }) => id));
    for (const deployment of this.deployments)
      if (!deployment.isGone && !ids.has(deployment.options.id)) deployment.retire();
    return '';
  }

  /** Deployments of the current configuration. */
  get current(): Deployment[] {
    return this.deployments.filter(({ isGone }) => !isGone);
  }

  /** Index of a deployment, also of a removed one; -1 if the id is unknown. */
  indexOf(id: string): number {
    return this.deployments.findIndex(({ options }) => options.id === id);
  }

  /** Replicas of the current configuration, each with its deployment. */
  configuredReplicas(): { readonly deployment: Deployment; readonly replica: Replica }[] {
    return this.deployments.flatMap((deployment) =>
      deployment.replicas.filter(({ isLeaving }) => !isLeaving).map((replica) => ({ deployment, replica })),
    );
  }

  /** True if some deployment has a replica that takes requests. */
  get isReady(): boolean {
    return this.deployments.some((deployment) => deployment.hasReady);
  }

  whyNotReady(): string {
    return whyNotReady(this.deployments);
  }

  /** All deployments and replicas for operators. `hasUrls`: with the addresses of replicas. */
  snapshot(hasUrls: boolean): unknown[] {
    return poolSnapshot(this.deployments, hasUrls);
  }

  /** Gives a replica no more requests. Returns false if there is no such replica. */
  drain(deployment: string, replica: string): boolean {
    return this.#withReplica(deployment, replica, ({ replicaSet }, found) => replicaSet.drain(found));
  }

  /** Ends `drain`: the replica must become ready again. Returns false if there is no such replica. */
  resume(deployment: string, replica: string): boolean {
    return this.#withReplica(deployment, replica, ({ replicaSet }, found) => replicaSet.resume(found));
  }

  /** The process of the replicas at `urls` has ended. */
  processEnded(urls: ReadonlySet<string>): void {
    for (const { replicaSet } of this.deployments) replicaSet.processEnded(({ url }) => urls.has(url.href));
  }

  /** The supervised process was started again: the replicas at `urls` must become ready again. */
  restarted(urls: ReadonlySet<string>): void {
    for (const { replicaSet } of this.deployments) replicaSet.restarted(urls);
  }

  #withReplica(
    id: string,
    replicaId: string,
    act: (deployment: Deployment, replica: Replica) => void,
  ): boolean {
    const deployment = this.deployments.find(({ options, isGone }) => options.id === id && !isGone);
    const replica = deployment?.replicas.find((one) => one.id === replicaId && !one.isLeaving);
    if (deployment === undefined || replica === undefined) return false;
    act(deployment, replica);
    return true;
  }

  /** Resolves the host names of the configuration, and no others. */
  #resolveHosts(): Promise<void> {
    const replicas = [...this.#configured.values()].flatMap((options) => options.replicas);
    return this.#addresses.setHosts(replicas.map(({ url }) => url.host));
  }

  /** A deployment's options with a replica for every currently known address. */
  #expanded({ options: { id }, options }: Deployment): DeploymentOptions {
    return expandHosts(this.#configured.get(id) ?? options, this.#addresses.of);
  }

  /** Applies changed addresses. Does nothing before the start. */
  #applyAddresses(): void {
    if (!this.#isStarted) return;
    for (const deployment of this.deployments)
      if (!deployment.isGone) deployment.updateAddresses(this.#expanded(deployment));
  }

  #add(options: DeploymentOptions, trust: ReplicaTrust): Deployment {
    const named = ({ id, url }: Replica) => ({ deployment: options.id, replica: id, url: url.href });
    const reports: DeploymentReports = {
      changed: (replica, from) => {
        if (replica.state === 'down') this.#addresses.lookUpSoon(replica.url.name);
        this.#events.changed({
          ...named(replica),
          from,
          to: replica.state,
          problem: deployment.replicaSet.problemOf(replica),
          running: replica.outstanding,
        });
      },
      reached: (replica) => this.#events.reached?.(named(replica)),
      freeCapacity: () => this.#events.freeCapacity?.(options.id),
      failing: (replica, problem, forMs) => this.#events.failing?.({ ...named(replica), problem, forMs }),
      dead: (replica, reason) => this.#events.dead({ ...named(replica), reason }),
      listed: () => {
        for (const link of this.#links.values()) link.send(deployment.state);
      },
    };
    const shared = {
      bufferBudget: this.bufferBudget,
      deadlines: this.#deadlines,
      threads: this.#threads,
    };
    const deployment: Deployment = new Deployment(
      this.deployments.length,
      options,
      trust,
      this.#options,
      shared,
      reports,
    );
    this.deployments.push(deployment);
    for (const link of this.#links.values()) link.send(deployment.state);
    return deployment;
  }
}

const byId = (deployments: readonly DeploymentOptions[]): ReadonlyMap<string, DeploymentOptions> =>
  new Map(deployments.map((options) => [options.id, options]));
