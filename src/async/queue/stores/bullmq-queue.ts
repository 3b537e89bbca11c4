// A line of tickets in Redis, which BullMQ keeps: their order, who holds which, and what becomes of those whose holder died.
// Must stay true: a ticket is in one hand at a time, and in none for longer than `lockMs` after the hand is gone.
// Does not belong here: what a ticket stands for (redis-scripts.ts).
import { Job, Queue, Worker, type ConnectionOptions } from 'bullmq';

export interface TicketQueueOptions {
  readonly connection: ConnectionOptions;
  /** Of all keys in Redis. */
  readonly prefix: string;
  /** How long a ticket is held without a sign of life. */
  readonly lockMs: number;
}

/** A ticket in hand. */
export interface Ticket {
  readonly name: string;
  readonly line: TicketQueue;
  /** Proof that it is in this hand. */
  readonly token: string;
  readonly job: Job;
}

/** Events of BullMQ's own stream, which nobody reads. */
const EVENTS = { events: { maxLen: 100 } };

export class TicketQueue {
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #lockMs: number;
  /** By name: of two hands that a ticket went through here, only the last one still has it. */
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
      // What a task may cost in runs is not for the line to decide.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    // Whatever goes wrong here goes wrong for the commands of the store as well, which tell.
    this.#queue.on('error', () => undefined);
    this.#worker.on('error', () => undefined);
    this.#worker.on('stalled', (name) => {
      this.#putBack(name).catch(() => {
        // It stays where BullMQ has put it: before all others.
      });
    });
    this.#renewal = setInterval(() => this.#renew(), lockMs / 3).unref();
  }

  /** Rejects where it cannot be used, then and for ever. */
  async open(): Promise<void> {
    await Promise.all([this.#queue.waitUntilReady(), this.#worker.waitUntilReady()]);
    await this.#worker.startStalledCheckTimer();
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    await Promise.allSettled([this.#worker.close(true), this.#queue.close()]);
  }

  /** Puts a ticket in; one that is there already, or in a hand, stays as it is. Lower priorities first, from 1. */
  async push(name: string, priority: number): Promise<void> {
    await this.#queue.add('ticket', null, { jobId: name, priority, removeOnComplete: true });
  }

  /** Takes out a ticket that is in no hand. */
  async remove(name: string): Promise<void> {
    await this.#queue.remove(name);
  }

  /** The first ticket, in this hand for `lockMs` and no longer until `hold` is called. */
  async take(token: string): Promise<Ticket | undefined> {
    const job = await this.#worker.getNextJob(token, { block: false });
    return job && { name: job.id!, line: this, token, job };
  }

  /** Keeps it in this hand until `drop`. */
  hold(ticket: Ticket): void {
    this.#held.set(ticket.name, ticket);
  }

  /** Ends a ticket that was taken. */
  async drop(ticket: Ticket): Promise<void> {
    if (this.#held.get(ticket.name) === ticket) this.#held.delete(ticket.name);
    await ticket.job.moveToCompleted(null, ticket.token, false);
  }

  /** How many tickets wait to be taken. */
  waiting(): Promise<number> {
    return this.#queue.getJobCountByTypes('waiting', 'prioritized');
  }

  /** What the dead held goes to the front of its own priority, not of the line. */
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
        // Redis is away: the next turn tries again, and a lock that runs out until then gives the task to another.
      });
  }
}
