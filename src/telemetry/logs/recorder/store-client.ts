// Records requests, lines and posts for the log store, from the main thread.
// Invariant: nothing here waits, and unacknowledged data is limited; what exceeds the limit is dropped and counted.
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { Logger } from '../../../core/logger.ts';
import { waitAtMost } from '../../../core/wait.ts';
import type { IngesterOptions } from '../ingest/ingester.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import type { LineOrigin, LogRecord, RecordWriter } from '../log-record.ts';
import type { WriterOptions } from '../store/day-files.ts';
import type { RecorderClient } from './recorder-client.ts';
import { steadyMs } from './recorder-figures.ts';
import { RequestRecorder } from './request-recorder.ts';
import type {
  DroppedRecords,
  FromRecorder,
  PostedLines,
  PostReply,
  PostResult,
  RowsResult,
  StorePost,
  ToRecorder,
} from './recorder-messages.ts';
import type { PostedRows } from '../rows/read-rows.ts';

export interface StoreFigures {
  /** Number of stored records by kind. */
  readonly stored: ReadonlyMap<string, number>;
  /** Number of dropped requests, posted records and chunks of a stream (up to 64 KiB each), by reason. */
  readonly dropped: ReadonlyMap<DroppedRecords, number>;
  /** Requests that were stored without their captured bodies, since there was no room for them. */
  readonly bodiesDropped: number;
  /** Requests whose bodies were not copied, since the memory for copies was full. */
  readonly bodiesSkipped: number;
  /** Bodies that were not kept, since they could not be masked. */
  readonly bodiesUnmaskable: number;
  /** Number of masked values by rule; empty: none was masked. */
  readonly masked: ReadonlyMap<string, number>;
  /** Weight of the messages that the recorder has not acknowledged. */
  readonly queuedBytes: number;
  /** Bytes in the ring that the recorder has not read. */
  readonly ringBytes: number;
  /** How long the oldest record has waited to be stored, in seconds; 0: none waits. */
  readonly lagSeconds: number;
  /** Files and pages that were found damaged and set aside. */
  readonly damaged: number;
  readonly headSeq: number;
  /** Size of all files of the store. */
  readonly storeBytes: number;
}

export interface StoreClientOptions {
  readonly writer: WriterOptions;
  readonly ingest: Omit<IngesterOptions, 'own'>;
  /** Pod and model of own records. Called when the store is opened. */
  readonly own: () => RecordWriter;
}

/** Weight of a record without its texts. */
const RECORD_BYTES = 512;
const LF = 0x0a;
/** Pause before the next attempt to close the store while the ring is full. */
const FULL_MS = 5;
/** Longest wait for the recorder at the end, since another process may have locked the file. */
const LAST_MS = 15_000;

/** Copies a view on a part of a buffer, since `postMessage` copies the whole buffer of a view. */
const withOwnBuffer = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

const weightOfRecords = (records: readonly LogRecord[]): number =>
  records.reduce(
    (sum, { message, attributes }) => sum + RECORD_BYTES + message.length + attributes.length,
    0,
  );

const weightOfBodies = (bodies: StorePost['bodies'] = []): number =>
  bodies.reduce((sum, one) => sum + (one?.request?.length ?? 0) + (one?.response?.length ?? 0), 0);

export class StoreClient {
  readonly #recorder: RecorderClient;
  #options: StoreClientOptions;
  readonly #log: Logger;
  readonly #onStored: () => void;
  readonly #requests: RequestRecorder;
  readonly #streams = new Map<number, LineOrigin>();
  /** Receives the results of posts, by number of the post. */
  readonly #posts = new Map<
    number,
    { readonly count: number; readonly resolve: (result: PostReply) => void }
  >();
  readonly #dropped = new Map<DroppedRecords, number>();
  #closed: (() => void) | undefined;
  #isOpen = false;
  /** The recorder thread has ended with an error. The store is opened again after a pause. */
  #isLost = false;
  #isClosing = false;
  /** Last number of a post or stream. */
  #n = 0;

  /** `onStored` is called after records were stored. */
  constructor(recorder: RecorderClient, options: StoreClientOptions, log: Logger, onStored: () => void) {
    this.#recorder = recorder;
    this.#requests = new RequestRecorder(recorder.input);
    this.#options = options;
    this.#log = log;
    this.#onStored = onStored;
    recorder.listener = {
      reported: (report) => this.#reported(report),
      ended: (reason, againInMs) => this.#ended(reason, againInMs),
      restarted: () => this.#restarted(),
    };
  }

  get figures(): StoreFigures {
    const { figures, input } = this.#recorder;
    const inputs = input.figures;
    const dropped = new Map(this.#dropped);
    const add = (why: DroppedRecords, count: number): void => {
      if (count > 0) dropped.set(why, (dropped.get(why) ?? 0) + count);
    };
    add('queue_full', figures.get('lostQueueFull') + inputs.sum('droppedRequests'));
    add('store_full', figures.get('lostStoreFull'));
    add('store_error', figures.get('lostStoreError'));
    add('store_unusable', figures.get('lostStoreUnusable') + inputs.sum('lostRequests'));
    const stored = new Map<string, number>();
    for (const [kind, name] of [
      ['request', 'storedRequests'],
      ['line', 'storedLines'],
      ['span', 'storedSpans'],
      ['event', 'storedEvents'],
      ['annotation', 'storedAnnotations'],
    ] as const)
      if (figures.get(name) > 0) stored.set(kind, figures.get(name));
    const waitingSinceMs = figures.get('waitingSinceMs');
    return {
      stored,
      dropped,
      bodiesSkipped: inputs.sum('bodiesSkipped'),
      bodiesDropped: inputs.sum('bodiesDropped'),
      bodiesUnmaskable: figures.get('bodiesUnmaskable'),
      masked: figures.masked,
      queuedBytes: inputs.queuedBytes,
      ringBytes: this.#recorder.unreadBytes,
      lagSeconds: waitingSinceMs === 0 ? 0 : Math.max(0, steadyMs() - waitingSinceMs) / 1000,
      damaged: figures.get('damaged'),
      headSeq: figures.get('headSeq'),
      storeBytes: figures.get('storeBytes'),
    };
  }

  /** Whether `onStored` is to be called. It costs a message for each drain. */
  follow(isFollowed: boolean): void {
    this.#recorder.figures.set('isFollowed', isFollowed ? 1 : 0);
  }

  /** Opens the store. Done by the first record too. */
  open(): void {
    if (this.#isOpen || this.#isClosing || this.#isLost) return;
    const { writer, ingest, own } = this.#options;
    this.#isOpen = this.#post({ kind: 'openStore', store: { writer, ingest: { ...ingest, own: own() } } });
    if (!this.#isOpen) return;
    for (const [stream, origin] of this.#streams) this.#post({ kind: 'stream', stream, origin });
  }

  /** Records a request that has ended, in the store and in the access log. Hot path. */
  request(exchange: Exchange, deployment: DeploymentIdentity | undefined): void {
    if (!this.#isOpen) this.open();
    // Taken in any case, since captured bodies count against their limit until they are taken.
    const bodies = exchange.bodyCapture?.take();
    if (this.#isOpen) return this.#requests.ended(exchange, deployment, bodies);
    this.#drop(this.#whyNoRoom);
    this.#recorder.input.request(exchange, deployment, false);
  }

  /** Tells the recorder the replica of a running request (request-recorder.ts). */
  routed(exchange: Exchange, deployment: DeploymentIdentity): void {
    this.#requests.routed(exchange, deployment);
  }

  /** Sets the owner of later lines of followed files that name no known request. */
  setFileOwner(owner: RequestOwner): void {
    this.#options = { ...this.#options, ingest: { ...this.#options.ingest, fileOrigin: owner } };
    this.#post({ kind: 'fileOwner', owner });
  }

  /** Opens a stream of log lines. Returns its number. The store is opened by its first bytes. */
  stream(origin: LineOrigin): number {
    const stream = ++this.#n;
    this.#streams.set(stream, origin);
    this.#post({ kind: 'stream', stream, origin });
    return stream;
  }

  /** Sets the origin of later lines of a stream. */
  setOrigin(stream: number, origin: LineOrigin): void {
    if (!this.#streams.has(stream)) return;
    this.#streams.set(stream, origin);
    if (this.#isOpen) this.#post({ kind: 'stream', stream, origin });
  }

  /** Records bytes of a stream. `undefined` ends the stream. */
  bytes(stream: number, bytes: Uint8Array | undefined): void {
    // Lines are counted, since short lines take much more memory as records than as bytes.
    const weight = bytes === undefined ? 0 : bytes.length + RECORD_BYTES * countLines(bytes);
    if (bytes !== undefined) this.open();
    else this.#streams.delete(stream);
    if (!this.#isOpen && bytes === undefined) return;
    // Lines may name a request that was routed a moment ago.
    this.#requests.sendNewRunning();
    const own = bytes && withOwnBuffer(bytes);
    if (!this.#requests.hasRoom(weight) || !this.#post({ kind: 'bytes', stream, bytes: own }, weight))
      this.#drop(this.#whyNoRoom);
  }

  /** Stores records and lines. Resolves when `kill -9` cannot lose them any more, or when they are lost. */
  async post(
    records: readonly LogRecord[],
    { lines, bodies }: Partial<Pick<StorePost, 'lines' | 'bodies'>> = {},
  ): Promise<PostResult> {
    const count = records.length + (lines?.count ?? 0);
    const weight =
      weightOfRecords(records) + weightOfBodies(bodies) + (lines ? this.#weightOfLines(lines) : 0);
    const reply = await this.#send({ records, lines, bodies }, count, weight);
    if ('invalid' in reply) throw new Error(`records were not accepted: ${reply.invalid}`);
    return reply;
  }

  /** Stores rows. Resolves when `kill -9` cannot lose them any more, or when they are lost. */
  async postRows(rows: PostedRows): Promise<RowsResult> {
    const reply = await this.#send({ records: [], rows }, 1, rows.bytes.length);
    return 'stored' in reply ? reply.rows! : reply;
  }

  /** Ends a file; empty: none. Resolves when all records before are stored, or lost. */
  endFile(path: string): Promise<PostResult> {
    return this.#send({ records: [], endFile: path }, 0, 0) as Promise<PostResult>;
  }

  #send(post: Omit<StorePost, 'n'>, count: number, weight: number): Promise<PostReply> {
    this.open();
    const n = ++this.#n;
    if (
      this.#isClosing ||
      !this.#requests.hasRoom(weight) ||
      !this.#post({ kind: 'post', post: { n, ...post } }, weight)
    ) {
      const problem = this.#whyNoRoom;
      this.#drop(problem, count);
      return Promise.resolve({ problem });
    }
    const { promise, resolve } = Promise.withResolvers<PostReply>();
    this.#posts.set(n, { count, resolve });
    return promise;
  }

  /** The reader has found a file damaged, or with `place` a page of it. */
  damaged(path: string, problem: string, place?: number): void {
    this.#post(
      place === undefined
        ? { kind: 'damagedFile', path, problem }
        : { kind: 'damagedPage', path, place, problem },
    );
  }

  /** Stores all data, until the deadline (performance.now()) or for 15 s, whichever comes first. */
  async close(deadlineMs: number): Promise<void> {
    this.#requests.close();
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => (this.#closed = resolve));
    if (this.#isOpen) {
      const endMs = Math.min(performance.now() + LAST_MS, deadlineMs);
      this.#recorder.hold(true);
      // The ring may be full.
      while (!this.#post({ kind: 'closeStore' }) && this.#isOpen && performance.now() < endMs)
        await new Promise((resolve) => void setTimeout(resolve, FULL_MS));
      await waitAtMost(endMs - performance.now(), closed);
      this.#recorder.hold(false);
      this.#isOpen = false;
    }
    const count = Array.from(this.#posts.values()).reduce((sum, post) => sum + post.count, 0);
    if (count > 0)
      this.#log.error('log records lost', { why: 'not stored before the shutdown deadline', count });
    this.#losePosts();
    await this.#recorder.storeClosed();
  }

  get #whyNoRoom(): DroppedRecords {
    return this.#isLost ? 'store_unusable' : 'queue_full';
  }

  /** Sends a message for the open store. Returns false if there is no room, or if it is not open. */
  #post(message: DistributiveOmit<ToRecorder, 'weight'>, weight = 0): boolean {
    if (!this.#isOpen && message.kind !== 'openStore') return false;
    return this.#recorder.post({ ...message, weight });
  }

  /** Estimates the memory of lines: their bytes, and a record each, whose texts are cut at `maxLineBytes`. */
  #weightOfLines({ bytes: { length }, count }: PostedLines): number {
    return length + RECORD_BYTES * count + 4 * Math.min(length, count * this.#options.ingest.maxLineBytes);
  }

  #drop(why: DroppedRecords, count = 1): void {
    this.#dropped.set(why, (this.#dropped.get(why) ?? 0) + count);
  }

  #reported({ posts, logged, hasStored, isClosed }: FromRecorder): void {
    for (const { level, event, fields, name } of logged)
      if (name === undefined) this.#log[level](event, fields);
      else this.#log.event(name, fields);
    for (const { n, ...result } of posts) {
      this.#posts.get(n)?.resolve(result);
      this.#posts.delete(n);
    }
    if (hasStored) this.#onStored();
    if (isClosed === true) this.#closed?.();
  }

  #ended(problem: string, againInMs: number): void {
    this.#isOpen = false;
    this.#isLost = true;
    this.#losePosts();
    this.#closed?.();
    if (!this.#isClosing) this.#log.event('log_store_lost', { problem, again_in_ms: Math.round(againInMs) });
  }

  #restarted(): void {
    this.#isLost = false;
    if (!this.#isClosing) this.open();
  }

  #losePosts(): void {
    for (const { count, resolve } of this.#posts.values()) {
      this.#drop('store_unusable', count);
      resolve({ problem: 'store_unusable' });
    }
    this.#posts.clear();
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
