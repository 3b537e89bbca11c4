// A log store in this process, with the CPU time of its threads, for the parts of bench/logs.ts that need no proxy.
// Invariant: it is the store of the product: ring, recorder thread, files and reader thread.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '../../src/core/logger.ts';
import { Logs, RecorderClient, type LineStream, type SearchQuery } from '../../src/telemetry/logs/logs.ts';
import { READER_OPERATIONS } from '../../src/telemetry/otlp-export/otlp-export.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { threadMicros, threadNamed } from '../cpu.ts';

export const own = () => ({ pod: 'bench', modelId: 'm' });
export const quiet = new Logger(
  { write: () => undefined, flush: () => undefined, dropped: () => 0 },
  { level: 'error', isText: false },
);
const ORIGIN = { deployment: 'dep1', environment: 'production', replica: 'abc12' };
/** Weight of unacknowledged lines at which the bench waits: half of the limit. */
const QUEUED_BYTES = 32e6;
/** Requests that may be in the ring at a time: two thirds of it. */
const IN_RING = 20_000;
/** Queries of one kind that are measured, after as many others. */
const QUERIES = 21;
const ALL_TIME = { fromNs: 0n, toNs: 2n ** 62n };

export class BenchStore {
  readonly logs: Logs;
  readonly #folder: string;
  readonly #recorderThread: number;
  readonly #readerThread: number;

  private constructor(folder: string, logs: Logs) {
    this.#folder = folder;
    this.logs = logs;
    this.#recorderThread = threadNamed('weir recorder');
    this.#readerThread = threadNamed('weir reader');
  }

  /** Opens a new store in a folder that does not exist. */
  static async open(folder: string): Promise<BenchStore> {
    const options = {
      folder,
      maxBytes: 2 ** 40,
      own,
      readerModule: READER_OPERATIONS,
      retentionMs: 86_400_000 * 30,
      maxLineBytes: 65_536,
      redactsCommonSecrets: true,
      maxBodyBytes: 262_144,
      redactPatterns: [],
      files: [],
      fileOrigin: ORIGIN,
    };
    const logs = new Logs(options, new RecorderClient({ fd: -1, isText: false }), quiet);
    const posted = await logs.postLines(Buffer.from('first line\n'), { ...ORIGIN, source: 'bench' }, 1);
    if ('problem' in posted) throw new Error(posted.problem);
    await logs.head();
    return new BenchStore(folder, logs);
  }

  stream(source: string): LineStream {
    return this.logs.openStream({ ...ORIGIN, source });
  }

  stored(kind: 'line' | 'request'): number {
    return this.logs.figures.stored.get(kind) ?? 0;
  }

  /** Waits until that many records of a kind are stored. Throws if records were dropped. */
  async settled(kind: 'line' | 'request', count: number): Promise<void> {
    while (this.stored(kind) < count) {
      this.#checkDrops();
      await sleep(1);
    }
  }

  /** Waits until there is room for more lines. */
  async roomForLines(): Promise<void> {
    while (this.logs.figures.queuedBytes > QUEUED_BYTES) await sleep(1);
  }

  /** Waits until there is room for more requests. `sent`: how many there were. */
  async roomForRequests(sent: number): Promise<void> {
    while (sent - this.stored('request') > IN_RING) {
      this.#checkDrops();
      await sleep(1);
    }
  }

  /** Size of all files of the store. */
  get bytes(): number {
    return readdirSync(this.#folder).reduce(
      (sum, name) => sum + (statSync(join(this.#folder, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  }

  /** CPU time of the recorder thread and of the reader thread so far, in microseconds. */
  get recorderMicros(): number {
    return threadMicros(this.#recorderThread);
  }
  get readerMicros(): number {
    return threadMicros(this.#readerThread);
  }

  /**
   * Times of queries in milliseconds, as the caller sees them: of the first one, and of 21 after 21 more, when the code is
   * compiled. `text(part)`: the query for a part of the store, 0 to 1; no part comes twice.
   */
  async times(
    text: (part: number) => string,
    limit: number,
    expects: 'some' | 'none',
  ): Promise<{ first: number; times: number[] }> {
    const times: number[] = [];
    for (const offset of [0.25, 0.75])
      for (let i = 0; i < QUERIES; i++) {
        const query = text((i + offset) / QUERIES);
        const parsed = parseQuery(query);
        if ('problem' in parsed) throw new Error(parsed.problem);
        const startMs = performance.now();
        const found = await this.#find({ ...ALL_TIME, node: parsed.node, direction: 'down', limit });
        times.push(performance.now() - startMs);
        if (found > 0 !== (expects === 'some')) throw new Error(`${found} records found with ${query}`);
      }
    return { first: times[0]!, times: times.slice(QUERIES) };
  }

  async close(): Promise<void> {
    this.#checkDrops();
    await this.logs.stop(performance.now() + 60_000);
  }

  async #find(query: Omit<SearchQuery, 'after'>): Promise<number> {
    let found = 0;
    let after: SearchQuery['after'];
    do {
      const page = await this.logs.page({ ...query, after, limit: query.limit - found });
      found += page.records.length;
      after = page.next;
    } while (after !== undefined && found < query.limit);
    return found;
  }

  #checkDrops(): void {
    const { dropped } = this.logs.figures;
    if (dropped.size > 0) throw new Error(`records were dropped: ${JSON.stringify([...dropped])}`);
  }
}
