// Queue of tickets in Redis, managed by BullMQ: their order, who has locked which, and the release of stale locks.
// Invariant: a ticket is locked by one process at a time, and is free again `lockMs` after that process has ended.
import { Job, Queue, Worker, type ConnectionOptions } from 'bullmq';

export interface TicketQueueOptions {
  readonly connection: ConnectionOptions;
  /** Prefix of all keys in Redis. */
  readonly prefix: string;
  /** Life of a lock that is not renewed. */
  readonly lockMs: number;
}

/** A locked ticket. */
export interface Ticket {
  readonly name: string;
  readonly queue: TicketQueue;
  /** Token of the lock. */
  readonly token: string;
  readonly job: Job;
}

/** BullMQ's own event stream is not used, so it is kept short. */
const EVENTS = { events: { maxLen: 100 } };

export class TicketQueue {
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #lockMs: number;
  /** By name, so that only the latest lock of a ticket is renewed. */
  readonly #held = new Map<string, Ticket>();
  readonly #renewal: NodeJS.Timeout;

  constructor(name: string, { connection, prefix, lockMs }: TicketQueueOptions) {
    this.#lockMs = lockMs;
    const shared = { connection, prefix, skipVersionCheck: true };
    this.#queue = new Queue(name, { ...shared, streams: EVENTS });
    this.#worker = new Worker(name, undefined, {
      ...shared,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      // The store limits the attempts of a task.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    // The store's own commands fail for the same reason and report it.
    this.#queue.on('error', () => undefined);
    this.#worker.on('error', () => undefined);
    this.#worker.on('stalled', (name) => {
      this.#putBack(name).catch(() => {
        // The ticket stays where BullMQ has put it: first.
      });
    });
    this.#renewal = setInterval(() => this.#renew(), lockMs / 3).unref();
  }

  /** Rejects if the queue cannot be used; a new object is needed then. */
  async open(): Promise<void> {
    await Promise.all([this.#queue.waitUntilReady(), this.#worker.waitUntilReady()]);
    await this.#worker.startStalledCheckTimer();
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    await Promise.allSettled([this.#worker.close(true), this.#queue.close()]);
  }

  /** Adds a ticket, unless it is queued or locked already. Lower priorities come first, from 1. */
  async push(name: string, priority: number): Promise<void> {
    await this.#queue.add('ticket', null, { jobId: name, priority, removeOnComplete: true });
  }

  /** Removes a ticket that is not locked. */
  async remove(name: string): Promise<void> {
    await this.#queue.remove(name);
  }

  /** Locks the first ticket, for `lockMs`. Call `hold` to renew the lock. */
  async take(token: string): Promise<Ticket | undefined> {
    const job = await this.#worker.getNextJob(token, { block: false });
    return job && { name: job.id!, queue: this, token, job };
  }

  /** Renews the lock until `drop`. */
  hold(ticket: Ticket): void {
    this.#held.set(ticket.name, ticket);
  }

  /** Removes a locked ticket. */
  async drop(ticket: Ticket): Promise<void> {
    if (this.#held.get(ticket.name) === ticket) this.#held.delete(ticket.name);
    await ticket.job.moveToCompleted(null, ticket.token, false);
  }

  /** Number of tickets that are not locked. */
  waiting(): Promise<number> {
    return this.#queue.getJobCountByTypes('waiting', 'prioritized');
  }

  /** Moves the ticket of a crashed process to the front of its own priority, not of the queue. */
  async #putBack(name: string): Promise<void> {
    const job: Job | undefined = await Job.fromId(this.#queue, name);
    await job?.changePriority({ priority: job.priority, lifo: true });
  }

  #renew(): void {
    const held = [...this.#held.values()];
    if (held.length === 0) return;
    this.#worker
      .extendJobLocks(
        held.map(({ name }) => name),
        held.map(({ token }) => token),
        this.#lockMs,
      )
      .catch(() => {
        // Redis is unreachable. The next turn tries again; if a lock runs out before, another process runs the task.
      });
  }
}
