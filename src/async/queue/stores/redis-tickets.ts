// Tickets of all tasks: one queue per deployment for runs, and one for deliveries.
// Invariant: a ticket leaves the set `unwritten` only after it is in its queue, so that no ticket is lost.
import { TicketQueue, type Ticket } from './bullmq-queue.ts';
import { withinTime, type RedisConnection } from './redis-connection.ts';

/** Lost tickets that one sweep writes again. */
const BATCH = 400;

/** Selects a queue: runs of a deployment, or deliveries. */
export type TicketKind = { readonly runsOf: string } | 'deliver';

export interface TicketsOptions {
  readonly prefix: string;
  readonly lockMs: number;
  readonly timeoutMs: number;
}

export class Tickets {
  readonly #connection: RedisConnection;
  readonly #options: TicketsOptions;
  readonly #unwritten: string;
  readonly #queues = new Map<string, Promise<TicketQueue>>();
  #isClosed = false;

  constructor(connection: RedisConnection, options: TicketsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#unwritten = `${options.prefix}:unwritten`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(Array.from(this.#queues.values(), async (queue) => (await queue).close()));
  }

  /** Opens a queue, so that the stale locks of crashed processes are released. */
  async watch(kind: TicketKind): Promise<void> {
    await this.#queue(kind);
  }

  /** Locks the first ticket of a queue. */
  async take(kind: TicketKind, token: string): Promise<Ticket | undefined> {
    return (await this.#queue(kind)).take(token);
  }

  /** Removes a ticket that is not locked. */
  async remove(kind: TicketKind, name: string): Promise<void> {
    await (await this.#queue(kind)).remove(name);
  }

  /** Adds tickets to their queues. A ticket is text of four lines: kind, priority, name and deployment. */
  async write(tickets: readonly string[]): Promise<void> {
    if (tickets.length === 0) return;
    await Promise.all(
      tickets.map(async (ticket) => {
        const [kind, priority, name, deployment] = ticket.split('\n');
        const queue = await this.#queue(kind === 'run' ? { runsOf: deployment! } : 'deliver');
        await queue.push(name!, Number(priority));
      }),
    );
    await this.#connection.redis.srem(this.#unwritten, ...tickets);
  }

  /** Adds all tickets of `unwritten` to their queues. Returns their number. */
  async writeAll(): Promise<number> {
    const tickets = await this.#connection.redis.srandmember(this.#unwritten, BATCH);
    await this.write(tickets);
    return tickets.length;
  }

  /** True if an open queue has unlocked tickets. */
  async isAnyWaiting(): Promise<boolean> {
    const waiting = await Promise.all(
      Array.from(this.#queues.values(), async (queue) => (await queue).waiting()),
    );
    return waiting.some((n) => n > 0);
  }

  /** The open queue. After a failure, the next call opens it again. */
  #queue(kind: TicketKind): Promise<TicketQueue> {
    // BullMQ allows no colon in a name.
    const name = kind === 'deliver' ? kind : `run-${encodeURIComponent(kind.runsOf)}`;
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = this.#open(name);
      this.#queues.set(name, queue);
      queue.catch(() => this.#queues.delete(name));
    }
    return queue;
  }

  async #open(name: string): Promise<TicketQueue> {
    if (this.#isClosed) throw new Error('the queue is closed');
    const { prefix, lockMs, timeoutMs } = this.#options;
    const queue = new TicketQueue(name, { connection: this.#connection.redis, prefix, lockMs });
    try {
      await withinTime(timeoutMs, queue.open());
      return queue;
    } catch (error) {
      await queue.close();
      throw error;
    }
  }
}
