// Task store in Redis, for several sidecars with one queue. Loaded only if it is configured.
// Invariant: a submit is acknowledged after Redis has acknowledged the task, and a task runs at least once.
//
// Whether an acknowledged task is on disk depends on Redis: with `appendfsync always` it is; with `everysec` a power
// cut may lose the last second, and a failover may lose tasks that were not replicated yet
// (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
//
// Each step is one script (redis-scripts.ts). Tickets are written after it; `sweep` writes those again that a crash in
// between has lost. When the locks of a crashed process run out, others run its tasks, so a task may run twice.
import { WeirError } from '../../../core/errors.ts';
import { RedisClaims } from './redis-claims.ts';
import { RedisConnection } from './redis-connection.ts';
import { factsOfTasks, listTasks, nextToExpire, taskState } from './redis-listing.ts';
import type { ScriptName } from './redis-scripts.ts';
import { Tickets } from './redis-tickets.ts';
import { TaskStoreError, type AddResult, type TaskStore, type TaskStoreEvents } from '../store.ts';
import type {
  CancelResult,
  ClaimedDelivery,
  ClaimedTask,
  QueueDepth,
  TaskEnding,
  TaskFacts,
  TaskPage,
  TaskQuery,
  NewTask,
  NextToExpire,
  TaskResult,
  RetryConfig,
  TaskError,
  TaskStatus,
  WebhookStatus,
} from '../task.ts';

export interface RedisStoreOptions {
  /** Time after which the claims of an unresponsive process are released. */
  readonly lockMs?: number;
  /** Longest time of one operation. */
  readonly timeoutMs?: number;
  /** Interval of reading depths and looking for tasks that other sidecars have added. */
  readonly refreshMs?: number;
}

type Argument = string | number | Uint8Array;
/** Reply of a script: the deployment, its two depths, and further values; or empty. */
type Reply = (Buffer | number | null)[];

/** Version of tasks, tickets and scripts together. */
const SCHEMA_VERSION = 1;
/** Pause before a delivery is tried again whose receiver was at its limit. */
const BUSY_RECEIVER_MS = 2000;
const NOTHING: QueueDepth = { queued: 0, inProgress: 0 };
/** Tasks of each kind that one sweep changes, since a running script blocks Redis. */
const SWEEP_ROWS = 200;
const PROMOTE_ROWS = 50;

export class RedisStore implements TaskStore {
  readonly #connection: RedisConnection;
  readonly #tickets: Tickets;
  readonly #root: string;
  readonly #events: TaskStoreEvents;
  readonly #refreshMs: number;
  readonly #runs: RedisClaims;
  readonly #deliveries: RedisClaims;
  #depths = new Map<string, QueueDepth>();
  #timer: NodeJS.Timeout | undefined;
  #isRefreshing = false;
  #skipped = 0;

  /** Sidecars with the same `prefix` of keys share a queue. Throws a WeirError for an invalid URL. */
  constructor(url: string, prefix: string, events: TaskStoreEvents, options: RedisStoreOptions = {}) {
    const { lockMs = 30_000, timeoutMs = 5000, refreshMs = 1000 } = options;
    this.#root = `{${prefix}}:`;
    this.#events = events;
    this.#refreshMs = refreshMs;
    this.#connection = new RedisConnection(url, this.#root, timeoutMs);
    this.#tickets = new Tickets(this.#connection, { prefix: `{${prefix}}`, lockMs, timeoutMs });
    const failed = () => void this.#skipped++;
    this.#runs = new RedisClaims(this.#connection, this.#tickets, failed);
    this.#deliveries = new RedisClaims(this.#connection, this.#tickets, failed);
  }

  async open(): Promise<void> {
    try {
      await this.#connection.open(async () => {
        await this.#refuseOtherVersions();
        await this.#tickets.watch('deliver');
        await this.#refreshState();
      });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#timer = setInterval(() => void this.#refreshState().catch(() => this.#skipped++), this.#refreshMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#tickets.close();
    this.#connection.close();
  }

  // Operations of clients.

  add(task: NewTask, maxTasks: number): Promise<AddResult> {
    return this.#connection.run(async () => {
      if (this.#connection.isFull)
        throw new TaskStoreError(`${this.#connection.where} is out of memory`, true);
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
        task.traceparent,
        task.isPrivate ? 1 : 0,
        task.client,
      );
      const kind = String(rest[0]) as AddResult['kind'];
      if (kind === 'known') return { kind, id: String(rest[1]) };
      // The task is stored, so a ticket that cannot be written is not an error: `sweep` writes it.
      if (kind === 'added') await this.#tickets.write([String(rest[1])]).catch(() => this.#skipped++);
      this.#events.added();
      return { kind };
    });
  }

  status(id: string): Promise<TaskStatus | undefined> {
    return this.#connection.run(async () => {
      const [deployment, phase, attempts, ending, webhookStatus, created, changed, errors] =
        await this.#connection.redis.hmget(
          this.#taskKey(id),
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
        status: taskState(phase, attempts!, ending ?? ''),
        webhookStatus: webhookStatus as WebhookStatus,
        createdMs: Number(created),
        statusMs: Number(changed),
        errors: JSON.parse(errors!) as TaskError[],
      };
    });
  }

  cancel(id: string, nowMs: number, retentionMs: number): Promise<CancelResult> {
    return this.#connection.run(async () => {
      const { deployment, rest } = await this.#run('cancel', id, nowMs, retentionMs);
      if (rest.length === 0) return undefined;
      const [isCanceled, ...more] = rest.map(String);
      if (isCanceled === 'no') return { isCanceled: false, status: taskState(more[0]!, more[1]!, more[2]!) };
      await this.#remove(deployment, more[0]!);
      return { isCanceled: true, status: 'CANCELED' };
    });
  }

  result(id: string): Promise<TaskResult | undefined> {
    return this.#connection.run(async () => {
      const [type, body] = await this.#connection.redis.hmgetBuffer(this.#taskKey(id), 'type', 'body');
      return resultOf(type, body);
    });
  }

  facts(id: string): Promise<TaskFacts | undefined> {
    return this.#connection.run(
      async () => (await factsOfTasks(this.#connection.redis, this.#root, [id]))[0],
    );
  }

  list(query: TaskQuery): Promise<TaskPage> {
    return this.#connection.run(() => listTasks(this.#connection.redis, this.#root, query));
  }

  nextToExpire(): Promise<NextToExpire | undefined> {
    return this.#connection.run(() => nextToExpire(this.#connection.redis, this.#root));
  }

  // Operations of the worker.

  claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined> {
    return this.#runs.claim({ runsOf: deployment }, async (id, generation, owner) => {
      const { rest } = await this.#run('start', id, generation, owner, nowMs, retentionMs);
      if (String(rest[0]) === 'expired') this.#events.expired(deployment);
      if (String(rest[0]) !== 'run') return undefined;
      const [, attempts, created, retry, webhook, input, traceparent, isPrivate, client] = rest;
      return {
        id,
        deployment,
        input: input as Buffer,
        attempts: Number(attempts),
        createdMs: Number(created),
        retry: JSON.parse(String(retry)) as RetryConfig,
        hasWebhook: String(webhook) !== '',
        traceparent: String(traceparent),
        isPrivate: String(isPrivate) === '1',
        client: String(client),
      };
    });
  }

  retryLater(id: string, dueMs: number, error: TaskError): Promise<void> {
    return this.#runs.release(id, (owner) =>
      this.#run('retryLater', id, owner, dueMs, JSON.stringify(error)),
    );
  }

  async giveBack(id: string): Promise<void> {
    await this.#runs.release(id, async (owner) => {
      const { rest } = await this.#run('giveBack', id, owner);
      await this.#tickets.write(rest.map(String)).catch(() => this.#skipped++);
    });
    this.#events.work();
  }

  async finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void> {
    const { status, errors, result, keepResult } = ending;
    await this.#runs.release(id, (owner) =>
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

  // Operations of the outbox.

  async claimDelivery(nowMs: number, busy: readonly string[] = []): Promise<ClaimedDelivery | undefined> {
    await this.#connection.run(async () => {
      if (Number(await this.#connection.script('promote', nowMs, PROMOTE_ROWS)) > 0)
        await this.#tickets.writeAll();
    });
    return this.#deliveries.claim('deliver', async (id, generation, owner) => {
      const later = nowMs + BUSY_RECEIVER_MS;
      const { deployment, rest } = await this.#run('startDelivery', id, generation, owner, later, ...busy);
      if (rest.length === 0) return undefined;
      const [, attempts, traceparent, url, status, errors, type, body] = rest;
      return {
        id,
        deployment,
        url: String(url),
        status: String(status) as 'SUCCEEDED' | 'FAILED',
        errors: JSON.parse(String(errors)) as TaskError[],
        result: resultOf(type as Buffer | null | undefined, body as Buffer | null | undefined),
        attempts: Number(attempts),
        traceparent: String(traceparent),
      };
    });
  }

  deliverLater(id: string, dueMs: number): Promise<void> {
    return this.#deliveries.release(id, (owner) => this.#run('deliverLater', id, owner, dueMs));
  }

  finishDelivery(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): Promise<void> {
    return this.#deliveries.release(id, (owner) =>
      this.#run('finishDelivery', id, owner, isDelivered ? 1 : 0, nowMs, retentionMs),
    );
  }

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    const isWork = await this.#connection.run(async () => {
      const reply = (await this.#connection.script('sweep', nowMs, retentionMs, SWEEP_ROWS)) as Buffer[];
      const expired = reply.map(String);
      const removals: Promise<void>[] = [];
      for (let i = 0; i < expired.length; i += 2) {
        this.#events.expired(expired[i]!);
        removals.push(this.#remove(expired[i]!, expired[i + 1]!));
      }
      await Promise.all(removals);
      const written = await this.#tickets.writeAll();
      await this.#readDepths();
      return written > 0;
    });
    if (isWork) this.#events.work();
  }

  depth(deployment: string): QueueDepth {
    return this.#depths.get(deployment) ?? NOTHING;
  }

  /** Failed steps that a later sweep, or the end of a lock, makes up for. */
  get skipped(): number {
    return this.#skipped;
  }

  async #refuseOtherVersions(): Promise<void> {
    const key = `${this.#root}schema`;
    await this.#connection.redis.setnx(key, SCHEMA_VERSION);
    const version = await this.#connection.redis.get(key);
    if (Number(version) !== SCHEMA_VERSION)
      throw new WeirError(
        'store_unusable',
        `the queue in ${this.#connection.where} has schema version ${version}, but this weir supports ${SCHEMA_VERSION}; ` +
          'use the version of weir that wrote it, or another async.redis_prefix',
      );
  }

  async #readDepths(): Promise<void> {
    const depths = new Map<string, { queued: number; inProgress: number }>();
    for (const [field, n] of Object.entries(await this.#connection.redis.hgetall(`${this.#root}depth`))) {
      const deployment = field.slice(2);
      const depth = depths.get(deployment) ?? { queued: 0, inProgress: 0 };
      depth[field.startsWith('q') ? 'queued' : 'inProgress'] = Number(n);
      depths.set(deployment, depth);
    }
    this.#depths = depths;
  }

  /** Reads memory and depths, and reports tasks that other sidecars have added or lost. */
  async #refreshState(): Promise<void> {
    if (this.#isRefreshing || !this.#connection.isReady) return;
    this.#isRefreshing = true;
    try {
      await this.#connection.measure();
      await this.#readDepths();
      // Watches queues that this process has not used yet too, since a crashed process may have been their only user.
      for (const [deployment, { queued, inProgress }] of this.#depths)
        if (queued + inProgress > 0) await this.#tickets.watch({ runsOf: deployment });
      if (await this.#tickets.isAnyWaiting()) this.#events.work();
    } finally {
      this.#isRefreshing = false;
    }
  }

  /** Removes the ticket of a task that will not run. If this fails, the ticket is dropped as stale when it is taken. */
  async #remove(deployment: string, ticket: string): Promise<void> {
    await this.#tickets.remove({ runsOf: deployment }, ticket).catch(() => this.#skipped++);
  }

  #taskKey(id: string): string {
    return `${this.#root}task:${id}`;
  }

  /** Runs a script whose reply begins with a depth, and stores that depth. */
  async #run(name: ScriptName, ...args: Argument[]): Promise<{ deployment: string; rest: Reply }> {
    const [first, queued, inProgress, ...rest] = (await this.#connection.script(name, ...args)) as Reply;
    if (first === undefined) return { deployment: '', rest: [] };
    const deployment = String(first);
    this.#depths.set(deployment, { queued: Number(queued), inProgress: Number(inProgress) });
    return { deployment, rest };
  }
}

const resultOf = (
  type: Buffer | null | undefined,
  body: Buffer | null | undefined,
): TaskResult | undefined => (type && body ? { contentType: type.toString(), body } : undefined);
