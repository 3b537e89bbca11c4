// The tickets of all tasks: a line for each deployment, and one for what is to be delivered.
// Must stay true: a ticket leaves the set of the unwritten only after it is in its line, so that none is lost.
import { TicketQueue, type Ticket } from './bullmq-queue.ts';
import { withinTime, type RedisConnection } from './redis-connection.ts';

/** Tickets that are written again in one go. */
const BATCH = 400;

/** Whose turn is asked for: tasks of a deployment, or deliveries. */
export type TicketKind = { readonly runsOf: string } | 'deliver';

export interface TicketsOptions {
  readonly prefix: string;
  readonly lockMs: number;
  readonly timeoutMs: number;
}

export class Tickets {
  readonly #link: RedisConnection;
  readonly #options: TicketsOptions;
  readonly #unwritten: string;
  readonly #lines = new Map<string, Promise<TicketQueue>>();
  #isClosed = false;

  constructor(link: RedisConnection, options: TicketsOptions) {
    this.#link = link;
    this.#options = options;
    this.#unwritten = `${options.prefix}:unwritten`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    // Those that could not be opened have told whoever wanted them.
    await Promise.allSettled(Array.from(this.#lines.values(), async (line) => (await line).close()));
  }

  /** Begins to look after a line: gives free what is held by the dead. */
  async watch(kind: TicketKind): Promise<void> {
    await this.#line(kind);
  }

  /** The first ticket of a line. */
  async take(kind: TicketKind, token: string): Promise<Ticket | undefined> {
    return (await this.#line(kind)).take(token);
  }

  /** Takes out a ticket that is in no hand. */
  async remove(kind: TicketKind, name: string): Promise<void> {
    await (await this.#line(kind)).remove(name);
  }

  /** Puts tickets into their lines, as scripts write them: kind, priority, name and deployment, each a line of text. */
  async write(tickets: readonly string[]): Promise<void> {
    if (tickets.length === 0) return;
    await Promise.all(
      tickets.map(async (ticket) => {
        const [kind, priority, name, deployment] = ticket.split('\n');
        const line = await this.#line(kind === 'run' ? { runsOf: deployment! } : 'deliver');
        await line.push(name!, Number(priority));
      }),
    );
    await this.#link.redis.srem(this.#unwritten, ...tickets);
  }

  /** Whatever tickets are not known to be in line; says how many there were. */
  async writeAll(): Promise<number> {
    const tickets = await this.#link.redis.srandmember(this.#unwritten, BATCH);
    await this.write(tickets);
    return tickets.length;
  }

  /** True when a line that is looked after has tickets. */
  async isAnyWaiting(): Promise<boolean> {
    const waiting = await Promise.all(
      Array.from(this.#lines.values(), async (line) => (await line).waiting()),
    );
    return waiting.some((n) => n > 0);
  }

  /** One that could not be opened is opened anew the next time. */
  #line(kind: TicketKind): Promise<TicketQueue> {
    // A colon is not allowed in it.
    const name = kind === 'deliver' ? kind : `run-${encodeURIComponent(kind.runsOf)}`;
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = this.#open(name);
      this.#lines.set(name, line);
      line.catch(() => this.#lines.delete(name));
    }
    return line;
  }

  async #open(name: string): Promise<TicketQueue> {
    if (this.#isClosed) throw new Error('the queue is closed');
    const { prefix, lockMs, timeoutMs } = this.#options;
    const line = new TicketQueue(name, { connection: this.#link.redis, prefix, lockMs });
    try {
      await withinTime(timeoutMs, line.open());
      return line;
    } catch (error) {
      await line.close();
      throw error;
    }
  }
}
