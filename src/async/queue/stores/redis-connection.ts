// The connection to Redis: bounded in time, made anew when it breaks, and discreet.
// Must stay true: nothing is sent twice and nothing waits for a Redis that is away: whoever asked is told, and decides.
// No error from here holds the password or a client's data: ioredis hangs the arguments of a command on its errors.
import { Redis } from 'ioredis';
import { backoffMs } from '../../../core/backoff.ts';
import { WeirError } from '../../../core/errors.ts';
import { scripts, type ScriptName } from './redis-scripts.ts';
import { TaskStoreError } from '../store.ts';

const RECONNECT_MS = { first: 50, cap: 2000 };
/** Of its memory; the rest is for working off what is kept. */
const FULL_AT = 0.9;

export class RedisConnection {
  /** Where a single command is enough, for use inside `asking`. */
  readonly redis: Redis;
  /** Without user and password: this goes into errors. */
  readonly where: string;
  readonly #timeoutMs: number;
  readonly #root: string;
  #isClosed = false;
  #isFull = false;

  /** `root`: what all keys begin with. Throws a Fault for a URL that is none. */
  constructor(url: string, root: string, timeoutMs: number) {
    if (!URL.canParse(url)) throw new WeirError('store_unusable', 'the URL of Redis is not a URL');
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
      // A connection on which nothing comes back any more is made anew.
      socketTimeout: 2 * timeoutMs,
      retryStrategy: (n) => backoffMs(n - 1, RECONNECT_MS.first, RECONNECT_MS.cap),
    });
    for (const [name, lua] of Object.entries(scripts))
      this.redis.defineCommand(name, { numberOfKeys: 1, lua });
  }

  get isReady(): boolean {
    return this.redis.status === 'ready';
  }

  /** So little memory is left that no more tasks are to be taken, as of the last `measure`. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Connects, and does the first things; rejects with a Fault. */
  async open(first: () => Promise<void>): Promise<void> {
    let seen: Error | undefined;
    this.redis.on('error', (error: Error) => (seen = error));
    try {
      await withinTime(this.#timeoutMs, this.redis.connect());
      await this.#refuseEviction();
      await first();
    } catch (error) {
      if (error instanceof WeirError) throw error;
      // `connect` itself says only that the connection is closed.
      throw new WeirError('store_unusable', `cannot use ${this.where}: ${messageOf(seen ?? error)}`);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.redis.disconnect();
  }

  /** Does what is asked within its time, or rejects with a StoreFailure. */
  async asking<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new TaskStoreError('the queue is closed', false);
    if (!this.isReady) throw new TaskStoreError(`${this.where} is not connected`, false);
    try {
      return await withinTime(this.#timeoutMs, work());
    } catch (error) {
      if (error instanceof TaskStoreError) throw error;
      const message = messageOf(error);
      throw new TaskStoreError(`${this.where}: ${message}`, /^OOM |No space left/.test(message));
    }
  }

  /** Runs a script, inside `asking`; strings in its answer are buffers. */
  script(name: ScriptName, ...args: (string | number | Uint8Array)[]): Promise<unknown> {
    const defined = this.redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return defined[`${name}Buffer`]!(
      this.#root,
      ...args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg) : arg)),
    );
  }

  /** A Redis without any memory left could not even give out its tasks: `isFull` says so before. */
  async measure(): Promise<void> {
    const { limit, used } = await this.#memory();
    this.#isFull = limit > 0 && used > limit * FULL_AT;
  }

  /** Redis must not throw away what was promised. */
  async #refuseEviction(): Promise<void> {
    const { limit, policy } = await this.#memory();
    if (limit === 0 || policy === 'noeviction') return;
    throw new WeirError(
      'store_unusable',
      `${this.where} drops keys when its memory is full: set maxmemory-policy to noeviction (it is ${policy})`,
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

/** Rejects where the promise takes longer. */
export async function withinTime<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
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
