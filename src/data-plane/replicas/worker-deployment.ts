// One deployment in a data thread other than the main thread. Requests wait in the main thread's wait queue. Hot path.
// Invariant: each waiting request has a ticket until it is granted, refused or leaves. A grant for a ticket that has left
// gives its place back.
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { Lease } from './lease.ts';
import type { ToMain } from './messages-to-main.ts';
import type { DeploymentState, Granted, Refused, ReplicaEntry } from './messages-to-thread.ts';
import { Replica } from './replica.ts';
import { tlsFor, trustIn, type ReplicaTrust } from './replica-tls.ts';
import { ThreadDeployment } from './thread-deployment.ts';
import { WaitGate } from './wait-gate.ts';
import { WaitEntry, type Waiter, type WaitLine } from './wait-queue.ts';

/** What the deployments of a thread have in common. */
export interface WorkerContext {
  readonly thread: number;
  readonly bufferBudget: BufferBudget;
  readonly slowReturnMs: number;
  readonly send: (message: ToMain) => void;
  /** A number that no other waiting request of the thread has. */
  readonly newTicket: () => number;
}

export class WorkerDeployment extends ThreadDeployment implements WaitLine {
  replicas: readonly Replica[] = [];
  readonly bufferBudget: BufferBudget;
  readonly #context: WorkerContext;
  readonly #byNumber = new Map<number, Replica>();
  readonly #tickets = new Map<number, WaitEntry>();
  #trust: ReplicaTrust;

  constructor(state: DeploymentState, context: WorkerContext) {
    super(state.index, state.options, new WaitGate(state.memory, context.thread));
    this.#context = context;
    this.bufferBudget = context.bufferBudget;
    this.#trust = trustIn(state.ca);
    this.apply(state);
  }

  /** Applies what the main thread says of the deployment. */
  apply({ options, ca, replicas }: DeploymentState): void {
    this.setOptions(options);
    if (ca !== this.#trust.pem) this.#trust = trustIn(ca);
    this.replicas = replicas.map((entry) => this.#replicaOf(entry));
    const named = new Set(this.replicas);
    for (const [number, replica] of this.#byNumber) if (!named.has(replica)) this.#byNumber.delete(number);
  }

  granted({ ticket, replica: number }: Granted): void {
    const replica = this.#byNumber.get(number)!;
    const entry = this.#tickets.get(ticket);
    if (entry === undefined) return this.released(replica);
    this.#tickets.delete(ticket);
    entry.leave();
    entry.waiter.granted(this.leased(replica, entry.request));
  }

  refused({ ticket, failure }: Refused): void {
    const entry = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    entry?.refuse(failure);
  }

  /** Refuses every waiting request. */
  refuseAll(): void {
    for (const entry of this.#tickets.values()) entry.refuse('draining');
  }

  /** Tells the main thread that an entry has left, unless it was granted or refused. */
  remove({ ticket }: WaitEntry): void {
    if (this.#tickets.delete(ticket)) this.#context.send({ kind: 'leaves', deployment: this.index, ticket });
  }

  // ── LeaseOwner ───────────────────────────────────────────────────────────────────────────────────────────────────

  released(replica: Replica): void {
    const mayLeave = replica.release();
    const mustTell = mayLeave ? this.gate.tell() : this.gate.mustTell();
    if (mustTell) this.#context.send({ kind: 'freed', deployment: this.index });
  }

  unreachable({ number }: Replica): void {
    this.#context.send({ kind: 'unreachable', deployment: this.index, replica: number });
  }

  broke({ number }: Replica, failures: number): void {
    this.#context.send({ kind: 'broke', deployment: this.index, replica: number, failures });
  }

  // ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected wait(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): Lease | WaitEntry {
    exchange.queued();
    const { attempts, waitedMs } = exchange;
    const ticket = this.#context.newTicket();
    const entry = new WaitEntry(this, exchange, waiter, avoid, this.#context.thread, ticket);
    this.#tickets.set(ticket, entry);
    this.#context.send({
      kind: 'waits',
      deployment: this.index,
      ticket,
      attempts,
      waitedMs,
      avoid: avoid?.number ?? 0,
    });
    return entry;
  }

  #replicaOf({ number, options, isLeaving, memory }: ReplicaEntry): Replica {
    let replica = this.#byNumber.get(number);
    if (replica === undefined) {
      const { slowReturnMs, thread } = this.#context;
      replica = new Replica(options, stateIsReadOnly, slowReturnMs, number, memory, thread);
      this.#byNumber.set(number, replica);
    }
    replica.id = options.id;
    replica.options = options;
    replica.tls = tlsFor(replica.url, this.options, this.#trust);
    replica.isLeaving = isLeaving;
    return replica;
  }
}

function stateIsReadOnly(): never {
  throw new Error('only the main thread changes the state of a replica');
}
