// The store in Redis, for several sidecars with one queue. Loaded only when it is chosen.
// Must stay true: a task is kept once Redis has acknowledged its record. That it is on disk then is up to Redis: with
// `appendfsync always` it is, with `everysec` a power cut may take the last second, and a replica that takes over may lack
// what was not copied yet (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
// Each step is one script (redis-scripts.ts); tickets follow it and are written again by `sweep` where a process died in
// between. What a process held when it died is given to others once its lock has run out, and has then been tried once
// more than it knows: such a task may run twice, never not at all.
import { randomUUID } from 'node:crypto';
import { WeirError } from '../../../core/errors.ts';
import type { Ticket } from './bullmq-queue.ts';
import { RedisConnection } from './redis-connection.ts';
import type { ScriptName } from './redis-scripts.ts';
import { Tickets, type TicketKind } from './redis-tickets.ts';
import { TaskStoreError, type AddResult, type TaskStore, type TaskStoreEvents } from '../store.ts';
import {
  statusIn,
  type CancelResult,
  type ClaimedDelivery,
  type ClaimedTask,
  type QueueDepth,
  type TaskEnding,
  type NewTask,
  type TaskResult,
  type RetryConfig,
  type TaskState,
  type TaskError,
  type TaskStatus,
  type WebhookStatus,
} from '../task.ts';

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

/** Of records, tickets and scripts. */
const SCHEMA_VERSION = 1;
/** How soon a result is looked at again that was passed over because its receiver was busy. */
const PASSED_OVER_MS = 2000;
const NOTHING: QueueDepth = { queued: 0, inProgress: 0 };
/** What one sweep moves of each kind: a script holds up everybody. */
const SWEEP_ROWS = 200;
const PROMOTED_AT_ONCE = 50;

export class RedisStore implements TaskStore {
  readonly #link: RedisConnection;
  readonly #tickets: Tickets;
  readonly #root: string;
  readonly #events: TaskStoreEvents;
  readonly #refreshMs: number;
  /** What this process has claimed: id → its ticket. */
  readonly #runs = new Map<string, Ticket>();
  readonly #sendings = new Map<string, Ticket>();
  #depths = new Map<string, QueueDepth>();
  #refresh: NodeJS.Timeout | undefined;
  #isLooking = false;
  #skipped = 0;

  /** `prefix` of all keys: who shares it shares the queue. Throws a Fault for a URL that is none. */
  constructor(url: string, prefix: string, events: TaskStoreEvents, options: RedisStoreOptions = {}) {
    const { lockMs = 30_000, timeoutMs = 5000, refreshMs = 1000 } = options;
    this.#root = `{${prefix}}:`;
    this.#events = events;
    this.#refreshMs = refreshMs;
    this.#link = new RedisConnection(url, this.#root, timeoutMs);
    this.#tickets = new Tickets(this.#link, { prefix: `{${prefix}}`, lockMs, timeoutMs });
  }

  async open(): Promise<void> {
    try {
      await this.#link.open(async () => {
        await this.#refuseOtherVersions();
        await this.#tickets.watch('deliver');
        await this.#look();
      });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#refresh = setInterval(() => void this.#look().catch(() => this.#skipped++), this.#refreshMs);
    this.#refresh.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#refresh);
    await this.#tickets.close();
    this.#link.close();
  }

  // ── What clients ask ─────────────────────────────────────────────────────────────────────────────────────────────

  add(task: NewTask, maxTasks: number): Promise<AddResult> {
    return this.#link.asking(async () => {
      if (this.#link.isFull) throw new TaskStoreError(`${this.#link.where} has no memory left`, true);
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
      );
      const kind = String(rest[0]) as AddResult['kind'];
      if (kind === 'known') return { kind, id: String(rest[1]) };
      // From here on it is kept, whatever becomes of its ticket: so that is not what the client hears of.
      if (kind === 'added') await this.#tickets.write([String(rest[1])]).catch(() => this.#skipped++);
      this.#events.work();
      return { kind };
    });
  }

  status(id: string): Promise<TaskStatus | undefined> {
    return this.#link.asking(async () => {
      const [deployment, phase, attempts, ending, webhookStatus, created, changed, errors] =
        await this.#link.redis.hmget(
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

  cancel(id: string, nowMs: number, retentionMs: number): Promise<CancelResult> {
    return this.#link.asking(async () => {
      const { deployment, rest } = await this.#run('cancel', id, nowMs, retentionMs);
      if (rest.length === 0) return undefined;
      const [answer, ...more] = rest.map(String);
      if (answer === 'no') return { isCanceled: false, status: statusOf(more[0]!, more[1]!, more[2]!) };
      await this.#remove(deployment, more[0]!);
      return { isCanceled: true, status: 'CANCELED' };
    });
  }

  result(id: string): Promise<TaskResult | undefined> {
    return this.#link.asking(async () => {
      const [type, body] = await this.#link.redis.hmgetBuffer(this.#record(id), 'type', 'body');
      return resultOf(type, body);
    });
  }

  // ── What the worker does ─────────────────────────────────────────────────────────────────────────────────────────

  claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined> {
    return this.#taking(this.#runs, { runsOf: deployment }, async (id, generation, owner) => {
      const { rest } = await this.#run('start', id, generation, owner, nowMs, retentionMs);
      if (String(rest[0]) === 'expired') this.#events.expired(deployment);
      if (String(rest[0]) !== 'run') return undefined;
      const [, attempts, created, retry, webhook, input, traceparent, isPrivate] = rest;
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
      await this.#tickets.write(rest.map(String)).catch(() => this.#skipped++);
    });
    this.#events.work();
  }

  async finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void> {
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

  async claimDelivery(nowMs: number, busy: readonly string[] = []): Promise<ClaimedDelivery | undefined> {
    await this.#link.asking(async () => {
      if (Number(await this.#link.script('promote', nowMs, PROMOTED_AT_ONCE)) > 0)
        await this.#tickets.writeAll();
    });
    return this.#taking(this.#sendings, 'deliver', async (id, generation, owner) => {
      const later = nowMs + PASSED_OVER_MS;
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
    return this.#letting(this.#sendings, id, (owner) => this.#run('deliverLater', id, owner, dueMs));
  }

  delivered(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): Promise<void> {
    return this.#letting(this.#sendings, id, (owner) =>
      this.#run('delivered', id, owner, isDelivered ? 1 : 0, nowMs, retentionMs),
    );
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    const isWork = await this.#link.asking(async () => {
      const answer = (await this.#link.script('sweep', nowMs, retentionMs, SWEEP_ROWS)) as Buffer[];
      const expired = answer.map(String);
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

  /** Steps that have failed and that `sweep`, a lock that runs out, or the next one who comes by makes up for. */
  get skipped(): number {
    return this.#skipped;
  }

  async #refuseOtherVersions(): Promise<void> {
    const key = `${this.#root}schema`;
    await this.#link.redis.setnx(key, SCHEMA_VERSION);
    const version = await this.#link.redis.get(key);
    if (Number(version) !== SCHEMA_VERSION)
      throw new WeirError(
        'store_unusable',
        `the queue in ${this.#link.where} has schema version ${version}, this weir knows ${SCHEMA_VERSION}: use the weir that wrote it`,
      );
  }

  async #readDepths(): Promise<void> {
    const depths = new Map<string, { queued: number; inProgress: number }>();
    for (const [field, n] of Object.entries(await this.#link.redis.hgetall(`${this.#root}depth`))) {
      const deployment = field.slice(2);
      const depth = depths.get(deployment) ?? { queued: 0, inProgress: 0 };
      depth[field.startsWith('q') ? 'queued' : 'inProgress'] = Number(n);
      depths.set(deployment, depth);
    }
    this.#depths = depths;
  }

  /** Measures, and tells of what others have put in line or lost. */
  async #look(): Promise<void> {
    if (this.#isLooking || !this.#link.isReady) return;
    this.#isLooking = true;
    try {
      await this.#link.measure();
      await this.#readDepths();
      // Also of deployments that nobody has asked for here: what died with its tasks in hand may have been alone.
      for (const [deployment, { queued, inProgress }] of this.#depths)
        if (queued + inProgress > 0) await this.#tickets.watch({ runsOf: deployment });
      if (await this.#tickets.isAnyWaiting()) this.#events.work();
    } finally {
      this.#isLooking = false;
    }
  }

  // ── Tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Of a task that will not run: where this fails, the one who takes the ticket finds that out. */
  async #remove(deployment: string, ticket: string): Promise<void> {
    await this.#tickets.remove({ runsOf: deployment }, ticket).catch(() => this.#skipped++);
  }

  /** Takes tickets until `start` makes something of one, which this process then holds. */
  async #taking<T>(
    held: Map<string, Ticket>,
    kind: TicketKind,
    start: (id: string, generation: string, owner: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (;;) {
      // Held only when the answer came in time: otherwise nobody works on it, and its lock must run out.
      const taken = await this.#link.asking(async () => {
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
      held.set(taken.id, taken.ticket);
      taken.ticket.line.hold(taken.ticket);
      return taken.work;
    }
  }

  /** Lets go of what this process holds, after `end` has written down why; nothing where it does not hold it. */
  #letting(held: Map<string, Ticket>, id: string, end: (owner: string) => Promise<unknown>): Promise<void> {
    const ticket = held.get(id);
    if (ticket === undefined) return Promise.resolve();
    return this.#link.asking(async () => {
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
    const [first, queued, inProgress, ...rest] = (await this.#link.script(name, ...args)) as Reply;
    if (first === undefined) return { deployment: '', rest: [] };
    const deployment = String(first);
    this.#depths.set(deployment, { queued: Number(queued), inProgress: Number(inProgress) });
    return { deployment, rest };
  }
}

const statusOf = (phase: string, attempts: string, ending: string): TaskState =>
  ending === ''
    ? statusIn(phase as 'waiting' | 'running' | 'resting', Number(attempts))
    : (ending as TaskState);

const resultOf = (
  type: Buffer | null | undefined,
  body: Buffer | null | undefined,
): TaskResult | undefined => (type && body ? { contentType: type.toString(), body } : undefined);
