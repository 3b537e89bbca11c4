// Tickets that this process has claimed, by task id: of running tasks, or of running deliveries.
// Invariant: a claim is kept only after its script has succeeded in time; otherwise its lock in Redis must run out.
import { randomUUID } from 'node:crypto';
import type { Ticket } from './bullmq-queue.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { Tickets, TicketKind } from './redis-tickets.ts';

/** Runs the script that starts the work of a ticket. Returns `undefined` for a stale ticket. */
export type StartWork<T> = (id: string, generation: string, owner: string) => Promise<T | undefined>;

export class RedisClaims {
  readonly #connection: RedisConnection;
  readonly #tickets: Tickets;
  readonly #failed: () => void;
  readonly #held = new Map<string, Ticket>();

  /** `failed` is called when a ticket could not be removed. Its lock then runs out, and it is found to be stale. */
  constructor(connection: RedisConnection, tickets: Tickets, failed: () => void) {
    this.#connection = connection;
    this.#tickets = tickets;
    this.#failed = failed;
  }

  /** Takes tickets until `start` returns work for one. */
  async claim<T>(kind: TicketKind, start: StartWork<T>): Promise<T | undefined> {
    for (;;) {
      const taken = await this.#connection.run(async () => {
        const ticket = await this.#tickets.take(kind, randomUUID());
        if (ticket === undefined) return undefined;
        const dot = ticket.name.lastIndexOf('.');
        const id = ticket.name.slice(0, dot);
        const work = await start(id, ticket.name.slice(dot + 1), ticket.token);
        if (work === undefined) await this.#drop(ticket);
        return { ticket, id, work };
      });
      if (taken === undefined) return undefined;
      if (taken.work === undefined) continue;
      this.#held.set(taken.id, taken.ticket);
      taken.ticket.queue.hold(taken.ticket);
      return taken.work;
    }
  }

  /**
   * Releases the claim of a task after `end`, the script that stores why, has succeeded. If `end` fails, the claim
   * stays and the call can be repeated. Does nothing for a task that this process has not claimed.
   */
  release(id: string, end: (owner: string) => Promise<unknown>): Promise<void> {
    const ticket = this.#held.get(id);
    if (ticket === undefined) return Promise.resolve();
    return this.#connection.run(async () => {
      await end(ticket.token);
      if (this.#held.get(id) === ticket) this.#held.delete(id);
      await this.#drop(ticket);
    });
  }

  async #drop(ticket: Ticket): Promise<void> {
    await ticket.queue.drop(ticket).catch(this.#failed);
  }
}
