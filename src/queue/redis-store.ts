// The store in Redis, for several sidecars with one queue. Loaded only when it is chosen.
// Must stay true: a task is kept once Redis has acknowledged its record. That it is on disk then is up to Redis: with
// `appendfsync always` it is, with `everysec` a power cut may take the last second (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
// Each step is one script (redis-scripts.ts); tickets follow it and are written again by `sweep` where a process died in
// between. What a process held when it died is given to others once its lock has run out, and has then been tried once
// more than it knows: such a task may run twice, never not at all. It is taken before all others, whatever their priority.
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { backoffMs } from '../base/backoff.ts';
import { Fault } from '../base/errors.ts';
import { Line, type Ticket } from './redis-line.ts';
import { scripts, type ScriptName } from './redis-scripts.ts';
import { StoreFailure, type Added, type Store, type StoreEvents } from './store.ts';
import {
  statusIn,
  type Cancelled,
  type ClaimedDelivery,
  type ClaimedTask,
  type Depth,
  type Ending,
  type NewTask,
  type Result,
  type RetryConfig,
  type Status,
  type TaskError,
  type TaskStatus,
  type WebhookStatus,
} from './task.ts';

export interface RedisStoreOptions {
  /** How long a task stays with a process that gives no sign of life. */
  readonly lockMs?: number;
  /** Longest that an operation may take. */
  readonly timeoutMs?: number;
  /** How often depths are read and work of others is looked for. */
  readonly refreshMs?: number;
}

type Argument = string | number | Uint8Array;
/** What a script answers: the deployment, its depth, and the rest; or nothing. */
type Reply = (Buffer | number | null)[];

const NOTHING: Depth = { queued: 0, inProgress: 0 };
/** What one sweep moves of each kind: a script holds up everybody. */
const SWEEP_ROWS = 200;
const PROMOTED_AT_ONCE = 50;
const DELIVERIES = 'deliver';
const RECONNECT_MS = { first: 50, cap: 2000 };

export class RedisStore implements Store {
  readonly #redis: Redis;
  readonly #where: string;
  readonly #root: string;
  readonly #prefix: string;
  readonly #events: StoreEvents;
  readonly #options: Required<RedisStoreOptions>;
  readonly #lines = new Map<string, Promise<Line>>();
  /** What this process has claimed: id → its ticket. */
  readonly #runs = new Map<string, Ticket>();
  readonly #sendings = new Map<string, Ticket>();
  #depths = new Map<string, Depth>();
  #refresh: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isClosed = false;
  #skipped = 0;

  /** `prefix` of all keys: who shares it shares the queue. Throws a Fault for a URL that is none. */
  constructor(url: string, prefix: string, events: StoreEvents, options: RedisStoreOptions = {}) {
    if (!URL.canParse(url)) throw new Fault('store_unusable', 'the URL of Redis is not a URL');
    // Without user and password: this goes into errors.
    this.#where = `Redis at ${new URL(url).host}`;
    this.#prefix = `{${prefix}}`;
    this.#root = `{${prefix}}:`;
    this.#events = events;
    this.#options = { lockMs: 30_000, timeoutMs: 5000, refreshMs: 1000, ...options };
    this.#redis = new Redis(url, {
      lazyConnect: true,
      // Nothing waits for a Redis that is away, and nothing is sent twice: whoever asked is told, and decides.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: this.#options.timeoutMs,
      commandTimeout: this.#options.timeoutMs,
      // A connection on which nothing comes back any more is made anew.
      socketTimeout: 2 * this.#options.timeoutMs,
      retryStrategy: (n) => backoffMs(n - 1, RECONNECT_MS.first, RECONNECT_MS.cap),
    });
    for (const [name, lua] of Object.entries(scripts))
      this.#redis.defineCommand(name, { numberOfKeys: 1, lua });
  }

  async open(): Promise<void> {
    let seen: Error | undefined;
    this.#redis.on('error', (error: Error) => (seen = error));
    try {
      await within(this.#options.timeoutMs, this.#redis.connect());
      this.#refuseEviction(await this.#redis.info('memory'));
      await this.#line(DELIVERIES);
      await this.#look();
    } catch (error) {
      await this.close();
      if (error instanceof Fault) throw error;
      // `connect` itself says only that the connection is closed. No cause: it may hold the password as an argument.
      throw new Fault('store_unusable', `cannot use ${this.#where}: ${messageOf(seen ?? error)}`);
    }
    this.#refresh = setInterval(
      () => void this.#look().catch(() => this.#skipped++),
      this.#options.refreshMs,
    );
    this.#refresh.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#refresh);
    // Those that could not be opened have told whoever wanted them.
    await Promise.allSettled(Array.from(this.#lines.values(), async (line) => (await line).close()));
    this.#redis.disconnect();
  }

  // ── What clients ask ─────────────────────────────────────────────────────────────────────────────────────────────

  add(task: NewTask, maxTasks: number): Promise<Added> {
    return this.#asking(async () => {
      const { rest } = await this.#run(
        'add',
        task.id,
        task.deployment,
        task.priority,
        task.createdMs,
        task.expiresMs,
        task.webhook,
        JSON.stringify(task.retry),
        task.idempotencyKey,
        task.digest,
        task.input,
        maxTasks,
      );
      const kind = String(rest[0]) as Added['kind'];
      if (kind === 'known') return { kind, id: String(rest[1]) };
      // From here on it is kept, whatever becomes of its ticket: so that is not what the client hears of.
      if (kind === 'added') await this.#write([String(rest[1])]).catch(() => this.#skipped++);
      this.#events.work();
      return { kind };
    });
  }

  status(id: string): Promise<TaskStatus | undefined> {
    return this.#asking(async () => {
      const [deployment, phase, attempts, ending, webhookStatus, created, changed, errors] =
        await this.#redis.hmget(
          this.#record(id),
          'deployment',
          'phase',
          'attempts',
          'ending',
          'webhook_status',
          'created',
          'changed',
          'errors',
        );
      if (!phase) return undefined;
      return {
        id,
        deployment: deployment!,
        status: statusOf(phase, attempts!, ending ?? ''),
        webhookStatus: webhookStatus as WebhookStatus,
        createdMs: Number(created),
        statusMs: Number(changed),
        errors: JSON.parse(errors!) as TaskError[],
      };
    });
  }

  cancel(id: string, nowMs: number, retentionMs: number): Promise<Cancelled> {
    return this.#asking(async () => {
      const { deployment, rest } = await this.#run('cancel', id, nowMs, retentionMs);
      if (rest.length === 0) return undefined;
      const [answer, ...more] = rest.map(String);
      if (answer === 'no') return { isCanceled: false, status: statusOf(more[0]!, more[1]!, more[2]!) };
      await this.#remove(deployment, more[0]!);
      return { isCanceled: true, status: 'CANCELED' };
    });
  }

  result(id: string): Promise<Result | undefined> {
    return this.#asking(async () => {
      const [type, body] = await this.#redis.hmgetBuffer(this.#record(id), 'type', 'body');
      return resultOf(type, body);
    });
  }

  // ── What the worker does ─────────────────────────────────────────────────────────────────────────────────────────

  claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined> {
    return this.#taking(this.#runs, runsOf(deployment), async (id, generation, owner) => {
      const { rest } = await this.#run('start', id, generation, owner, nowMs, retentionMs);
      if (String(rest[0]) === 'expired') this.#events.expired(deployment);
      if (String(rest[0]) !== 'run') return undefined;
      const [, attempts, created, retry, webhook, input] = rest;
      return {
        id,
        deployment,
        input: input as Buffer,
        attempts: Number(attempts),
        createdMs: Number(created),
        retry: JSON.parse(String(retry)) as RetryConfig,
        hasWebhook: String(webhook) !== '',
      };
    });
  }

  rest(id: string, dueMs: number, error: TaskError): Promise<void> {
    return this.#letting(this.#runs, id, (owner) =>
      this.#run('rest', id, owner, dueMs, JSON.stringify(error)),
    );
  }

  async giveBack(id: string): Promise<void> {
    await this.#letting(this.#runs, id, async (owner) => {
      const { rest } = await this.#run('giveBack', id, owner);
      await this.#write(rest.map(String)).catch(() => this.#skipped++);
    });
    this.#events.work();
  }

  async finish(id: string, ending: Ending, nowMs: number, retentionMs: number): Promise<void> {
    const { status, errors, result, keepResult } = ending;
    await this.#letting(this.#runs, id, (owner) =>
      this.#run(
        'finish',
        id,
        owner,
        nowMs,
        retentionMs,
        status,
        JSON.stringify(errors),
        keepResult ? 1 : 0,
        ...(result === undefined ? [] : [result.contentType, result.body]),
      ),
    );
    this.#events.work();
  }

  // ── The outbox ───────────────────────────────────────────────────────────────────────────────────────────────────

  async claimDelivery(nowMs: number): Promise<ClaimedDelivery | undefined> {
    await this.#asking(async () => {
      if (Number(await this.#command('promote', nowMs, PROMOTED_AT_ONCE)) > 0) await this.#writeAll();
    });
    return this.#taking(this.#sendings, DELIVERIES, async (id, generation, owner) => {
      const { deployment, rest } = await this.#run('startDelivery', id, generation, owner);
      if (rest.length === 0) return undefined;
      const [, attempts, url, status, errors, type, body] = rest;
      return {
        id,
        deployment,
        url: String(url),
        status: String(status) as 'SUCCEEDED' | 'FAILED',
        errors: JSON.parse(String(errors)) as TaskError[],
        result: resultOf(type as Buffer | null | undefined, body as Buffer | null | undefined),
        attempts: Number(attempts),
      };
    });
  }

  deliverLater(id: string, dueMs: number): Promise<void> {
    return this.#letting(this.#sendings, id, (owner) => this.#run('deliverLater', id, owner, dueMs));
  }

  delivered(id: string, isTaken: boolean, nowMs: number, retentionMs: number): Promise<void> {
    return this.#letting(this.#sendings, id, (owner) =>
      this.#run('delivered', id, owner, isTaken ? 1 : 0, nowMs, retentionMs),
    );
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    const isWork = await this.#asking(async () => {
      const expired = ((await this.#command('sweep', nowMs, retentionMs, SWEEP_ROWS)) as Buffer[]).map(
        String,
      );
      for (let i = 0; i < expired.length; i += 2) {
        this.#events.expired(expired[i]!);
        await this.#remove(expired[i]!, expired[i + 1]!);
      }
      const written = await this.#writeAll();
      await this.#readDepths();
      return written > 0;
    });
    if (isWork) this.#events.work();
  }

  depth(deployment: string): Depth {
    return this.#depths.get(deployment) ?? NOTHING;
  }

  /** Steps that have failed and that `sweep`, a lock that runs out, or the next one who comes by makes up for. */
  get skipped(): number {
    return this.#skipped;
  }

  async #readDepths(): Promise<void> {
    const depths = new Map<string, { queued: number; inProgress: number }>();
    for (const [field, n] of Object.entries(await this.#redis.hgetall(`${this.#root}depth`))) {
      const deployment = field.slice(2);
      const depth = depths.get(deployment) ?? { queued: 0, inProgress: 0 };
      depth[field.startsWith('q') ? 'queued' : 'inProgress'] = Number(n);
      depths.set(deployment, depth);
    }
    this.#depths = depths;
  }

  /** Reads depths, and tells of what others have put in line or lost. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#redis.status !== 'ready') return;
    this.#isLooking = true;
    try {
      await this.#readDepths();
      // Also of deployments that nobody has asked for here: what died with its tasks in hand may have been alone.
      for (const [deployment, { queued, inProgress }] of this.#depths)
        if (queued + inProgress > 0) await this.#line(runsOf(deployment));
      const waiting = await Promise.all(
        [...this.#lines.values()].map(async (line) => (await line).waiting()),
      );
      if (waiting.some((n) => n > 0)) this.#events.work();
    } finally {
      this.#isLooking = false;
    }
  }

  // ── Tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The line of that name. One that could not be opened is opened anew the next time. */
  #line(name: string): Promise<Line> {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = this.#open(name);
      this.#lines.set(name, line);
      line.catch(() => this.#lines.delete(name));
    }
    return line;
  }

  async #open(name: string): Promise<Line> {
    if (this.#isClosed) throw new Error('the queue is closed');
    const line = new Line(name, {
      connection: this.#redis,
      prefix: this.#prefix,
      lockMs: this.#options.lockMs,
    });
    try {
      await within(this.#options.timeoutMs, line.open());
    } catch (error) {
      await line.close();
      throw error;
    }
    return line;
  }

  /** Puts tickets into their lines: kind, priority, name and deployment, one to a line of text. */
  async #write(tickets: readonly string[]): Promise<void> {
    await Promise.all(
      tickets.map(async (ticket) => {
        const [kind, priority, name, deployment] = ticket.split('\n');
        const line = await this.#line(kind === 'run' ? runsOf(deployment!) : DELIVERIES);
        await line.push(name!, Number(priority));
      }),
    );
    if (tickets.length > 0) await this.#redis.srem(`${this.#root}unwritten`, ...tickets);
  }

  /** Whatever tickets are not known to be in line; says how many there were. */
  async #writeAll(): Promise<number> {
    const tickets = await this.#redis.srandmember(`${this.#root}unwritten`, 2 * SWEEP_ROWS);
    await this.#write(tickets);
    return tickets.length;
  }

  /** Of a task that will not run: where this fails, the one who takes the ticket finds that out. */
  async #remove(deployment: string, ticket: string): Promise<void> {
    await this.#line(runsOf(deployment))
      .then((line) => line.remove(ticket))
      .catch(() => this.#skipped++);
  }

  /** Takes tickets until `start` makes something of one, which this process then holds. */
  async #taking<T>(
    held: Map<string, Ticket>,
    name: string,
    start: (id: string, generation: string, owner: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (;;) {
      // Held only when the answer came in time: otherwise nobody works on it, and its lock must run out.
      const taken = await this.#asking(async () => {
        const ticket = await (await this.#line(name)).take(randomUUID());
        if (ticket === undefined) return undefined;
        const dot = ticket.name.lastIndexOf('.');
        const id = ticket.name.slice(0, dot);
        const work = await start(id, ticket.name.slice(dot + 1), ticket.token);
        if (work === undefined) await this.#drop(ticket);
        return { ticket, id, work };
      });
      if (taken === undefined) return undefined;
      if (taken.work === undefined) continue;
      held.set(taken.id, taken.ticket);
      taken.ticket.line.hold(taken.ticket);
      return taken.work;
    }
  }

  /** Lets go of what this process holds, after `end` has written down why; nothing where it does not hold it. */
  #letting(held: Map<string, Ticket>, id: string, end: (owner: string) => Promise<unknown>): Promise<void> {
    const ticket = held.get(id);
    if (ticket === undefined) return Promise.resolve();
    return this.#asking(async () => {
      await end(ticket.token);
      // One that failed above is still held, so that it can be tried again.
      if (held.get(id) === ticket) held.delete(id);
      await this.#drop(ticket);
    });
  }

  /** Where it fails, the lock runs out, and the one who takes the ticket then finds it stale. */
  async #drop(ticket: Ticket): Promise<void> {
    await ticket.line.drop(ticket).catch(() => this.#skipped++);
  }

  // ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #record(id: string): string {
    return `${this.#root}task:${id}`;
  }

  /** Runs a script that answers with a depth, and notes it. */
  async #run(name: ScriptName, ...args: Argument[]): Promise<{ deployment: string; rest: Reply }> {
    const [first, queued, inProgress, ...rest] = (await this.#command(name, ...args)) as Reply;
    if (first === undefined) return { deployment: '', rest: [] };
    const deployment = String(first);
    this.#depths.set(deployment, { queued: Number(queued), inProgress: Number(inProgress) });
    return { deployment, rest };
  }

  /** Runs a script; strings in its answer are buffers. */
  #command(name: ScriptName, ...args: Argument[]): Promise<unknown> {
    const defined = this.#redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return defined[`${name}Buffer`]!(
      this.#root,
      ...args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg) : arg)),
    );
  }

  /** Does what is asked within its time, or rejects with a StoreFailure. */
  async #asking<T>(work: () => Promise<T>): Promise<T> {
    if (this.#redis.status !== 'ready')
      throw new StoreFailure(
        this.#isClosed ? 'the queue is closed' : `${this.#where} is not connected`,
        false,
      );
    try {
      return await within(this.#options.timeoutMs, work());
    } catch (error) {
      const message = messageOf(error);
      // No cause: ioredis hangs the arguments of the command on it, which are the client's data.
      throw new StoreFailure(`${this.#where}: ${message}`, /^OOM |No space left/.test(message));
    }
  }

  /** Redis must not throw away what was promised. */
  #refuseEviction(info: string): void {
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
    const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
    if (policy !== 'noeviction' && limit > 0)
      throw new Fault(
        'store_unusable',
        `${this.#where} drops keys when its memory is full: set maxmemory-policy to noeviction (it is ${policy})`,
      );
  }
}

/** Names of lines must not contain a colon. */
const runsOf = (deployment: string): string => `run-${encodeURIComponent(deployment)}`;

const statusOf = (phase: string, attempts: string, ending: string): Status =>
  ending === '' ? statusIn(phase as 'waiting' | 'running' | 'resting', Number(attempts)) : (ending as Status);

const resultOf = (type: Buffer | null | undefined, body: Buffer | null | undefined): Result | undefined =>
  type && body ? { contentType: type.toString(), body } : undefined;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Rejects where the promise takes longer. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
