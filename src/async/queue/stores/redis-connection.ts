// Connection to Redis. It has a timeout for each operation, and reconnects when it breaks.
// Invariant: no command is sent twice or waits for a connection, and no error contains the password or client data.
import { Redis } from 'ioredis';
import { backoffMs } from '../../../core/backoff.ts';
import { WeirError } from '../../../core/errors.ts';
import { TIMED_OUT, waitAtMost } from '../../../core/wait.ts';
import { scripts, type ScriptName } from './redis-scripts.ts';
import { TaskStoreError } from '../store.ts';

const RECONNECT_MS = { first: 50, cap: 2000 };
/** Share of Redis's memory above which submits are refused. The rest is for stored tasks to proceed. */
const FULL_AT = 0.9;

export class RedisConnection {
  /** For single commands, inside `run`. */
  readonly redis: Redis;
  /** Name for errors, without user and password. */
  readonly where: string;
  readonly #timeoutMs: number;
  readonly #root: string;
  #isClosed = false;
  #isFull = false;

  /** `root`: prefix of all keys. Throws a WeirError for an invalid URL. */
  constructor(url: string, root: string, timeoutMs: number) {
    if (!URL.canParse(url))
      throw new WeirError(
        'store_unusable',
        'async.store is not a valid Redis URL; write redis://host:6379/0',
      );
    this.where = `Redis at ${new URL(url).host}`;
    this.#root = root;
    this.#timeoutMs = timeoutMs;
    this.redis = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      // Closes a connection that returns nothing, so that a new one is opened.
      socketTimeout: 2 * timeoutMs,
      retryStrategy: (n) => backoffMs(n - 1, RECONNECT_MS.first, RECONNECT_MS.cap),
    });
    for (const [name, lua] of Object.entries(scripts))
      this.redis.defineCommand(name, { numberOfKeys: 1, lua });
  }

  get isReady(): boolean {
    return this.redis.status === 'ready';
  }

  /** True if Redis had too little memory for further tasks at the last `measure`. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Connects and runs `first`. Rejects with a WeirError. */
  async open(first: () => Promise<void>): Promise<void> {
    let lastError: Error | undefined;
    this.redis.on('error', (error: Error) => (lastError = error));
    try {
      await withinTime(this.#timeoutMs, this.redis.connect());
      await this.#refuseEviction();
      await first();
    } catch (error) {
      if (error instanceof WeirError) throw error;
      // `connect` rejects with "connection is closed"; the reason is in the event.
      throw new WeirError('store_unusable', `cannot use ${this.where}: ${messageOf(lastError ?? error)}`);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.redis.disconnect();
  }

  /** Runs an operation within the timeout, or rejects with a TaskStoreError. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new TaskStoreError('the queue is closed', false);
    if (!this.isReady) throw new TaskStoreError(`${this.where} is not connected`, false);
    try {
      return await withinTime(this.#timeoutMs, work());
    } catch (error) {
      if (error instanceof TaskStoreError) throw error;
      // Only the message: ioredis puts the arguments of a command on its errors.
      const message = messageOf(error);
      throw new TaskStoreError(`${this.where}: ${message}`, /^OOM |No space left/.test(message));
    }
  }

  /** Runs a script, inside `run`. Strings of its reply are buffers. */
  script(name: ScriptName, ...args: (string | number | Uint8Array)[]): Promise<unknown> {
    const defined = this.redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return defined[`${name}Buffer`]!(
      this.#root,
      ...args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg) : arg)),
    );
  }

  /** Updates `isFull`. It turns true before Redis is out of memory, since claims need memory too. */
  async measure(): Promise<void> {
    const { limit, used } = await this.#memory();
    this.#isFull = limit > 0 && used > limit * FULL_AT;
  }

  /** Rejects if Redis may evict acknowledged tasks. */
  async #refuseEviction(): Promise<void> {
    const { limit, policy } = await this.#memory();
    if (limit === 0 || policy === 'noeviction') return;
    throw new WeirError(
      'store_unusable',
      `${this.where} has maxmemory-policy ${policy}, which drops tasks when its memory is full; set it to noeviction`,
    );
  }

  async #memory(): Promise<{ limit: number; used: number; policy: string }> {
    const info = await this.redis.info('memory');
    const read = (field: string) => new RegExp(`^${field}:(\\S+)`, 'm').exec(info)?.[1];
    return {
      limit: Number(read('maxmemory') ?? 0),
      used: Number(read('used_memory') ?? 0),
      policy: read('maxmemory_policy') ?? 'noeviction',
    };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Rejects if the promise does not settle in time. */
export async function withinTime<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const value = await waitAtMost(timeoutMs, promise);
  if (value === TIMED_OUT) throw new Error(`no reply within ${timeoutMs} ms`);
  return value;
}
