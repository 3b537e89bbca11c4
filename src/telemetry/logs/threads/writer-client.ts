// Collects requests, lines and posts on the main thread, and sends them to the writer thread in batches.
// Invariant: nothing here waits, and unacknowledged data is limited; what exceeds the limit is dropped and counted.
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../../../core/backoff.ts';
import type { Logger } from '../../../core/logger.ts';
import { waitAtMost } from '../../../core/wait.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import type { IngesterOptions } from '../ingest/ingester.ts';
import type { LineOrigin, LogRecord, RecordWriter } from '../log-record.ts';
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import { pack } from '../ingest/request-record.ts';
import { RunningRequests, type RunningRequest } from '../ingest/running-requests.ts';
import type { Batch, PostedLines, StorePost, WriterData, WriterMessage } from './writer-thread.ts';
import type { LostRecords, WriterOptions } from '../store/store-writer.ts';

/** Reason for dropping records: the writer is behind, cannot open its folder, or could not write. */
type DroppedRecords = LostRecords | 'queue_full' | 'store_unusable';

/** `stored`: number of records. */
export type PostResult = { readonly stored: number } | { readonly problem: DroppedRecords };

export interface WriterClientFigures {
  /** Number of stored records by kind. */
  readonly stored: ReadonlyMap<string, number>;
  /** Number of dropped requests, posted records and chunks of a stream (up to 64 KiB each), by reason. */
  readonly dropped: ReadonlyMap<DroppedRecords, number>;
  /** Requests that were stored without their captured bodies, since the writer was behind. */
  readonly bodiesDropped: number;
  /** Weight of the data that the writer has not acknowledged. */
  readonly queuedBytes: number;
  readonly headSeq: number;
  /** Size of all segments. */
  readonly storeBytes: number;
}

/** Longest time that data is collected for a batch. `kill -9` loses this much, and the running transaction. */
const GATHER_MS = 20;
/** Maximum weight of the data that the writer has not acknowledged. */
const MAX_QUEUED_BYTES = 64 * 1024 ** 2;
/** Maximum weight with bodies, so that a few large bodies do not displace many requests. */
const MAX_QUEUED_BYTES_WITH_BODIES = MAX_QUEUED_BYTES / 2;
/** A batch of this weight is sent immediately. */
const SEND_BYTES = 512 * 1024;
/** Weight of a request without its bodies. */
const REQUEST_BYTES = 1024;
/** Weight of a record without its texts. */
const RECORD_BYTES = 512;
/** Weight of one entry of `running`. */
const RUNNING_BYTES = 128;
const LF = 0x0a;
/** Longest wait for the writer at the end, since another process may have locked the file. */
const LAST_MS = 15_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** The file has the extension of this one: .ts in the source tree, .js in the build. */
const THREAD = new URL(`./writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

interface PendingBatch extends Batch {
  requests: unknown[];
  chunks: { stream: number; bytes: Uint8Array | undefined }[];
  streams: { stream: number; origin: LineOrigin }[];
  posts: StorePost[];
  running: RunningRequest[];
  fileOrigin: RequestOwner | undefined;
  /** Estimated bytes in memory. */
  weight: number;
  /** Number of requests, chunks of streams and posted records. */
  count: number;
}

const emptyBatch = (): PendingBatch => ({
  requests: [],
  chunks: [],
  streams: [],
  posts: [],
  running: [],
  fileOrigin: undefined,
  weight: 0,
  count: 0,
});

/** Memory of bodies, including the unused part of their buffers. */
const memoryOf = ({ request, response }: RawBodies): number =>
  (request?.bytes.buffer.byteLength ?? 0) + (response?.bytes.buffer.byteLength ?? 0);

/** Copies a view on a part of a buffer, since `postMessage` copies the whole buffer of a view. */
const withOwnBuffer = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

const weightOf = (records: readonly LogRecord[]): number =>
  records.reduce(
    (sum, { message, attributes }) => sum + RECORD_BYTES + message.length + attributes.length,
    0,
  );

export interface WriterClientOptions {
  readonly writer: WriterOptions;
  readonly ingest: Omit<IngesterOptions, 'own'>;
  /** Called when the thread starts. */
  readonly own: () => RecordWriter;
}

export class WriterClient {
  #data: WriterClientOptions;
  readonly #log: Logger;
  readonly #onStored: (headSeq: number) => void;
  #thread: Worker | undefined;
  #pending = emptyBatch();
  /** Buffers of the bodies in `#pending`, which are moved to the thread instead of copied. */
  #transfer: ArrayBuffer[] = [];
  readonly #running = new RunningRequests();
  #bodiesDropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Batches that the thread has not acknowledged, in their order. */
  #sent: Pick<PendingBatch, 'weight' | 'count'>[] = [];
  /** Weight of all batches in `#sent`. */
  #sentBytes = 0;
  /** Last number of a post or stream. */
  #n = 0;
  /** Receives the results of posts, by number of the post. */
  readonly #posts = new Map<number, (result: PostResult) => void>();
  readonly #streams = new Map<number, LineOrigin>();
  /** Ends of the thread in succession, without a successful start between. */
  #failures = 0;
  /** Records lost as `store_unusable` before the current series of failures. */
  #lostBefore = 0;
  #pauseUntilMs = 0;
  #isClosing = false;
  readonly #counts = { stored: new Map<string, number>(), dropped: new Map<DroppedRecords, number>() };
  #headSeq = 0;
  #storeBytes = 0;

  /** `onStored` is called with the newest sequence number after records were stored. */
  constructor(data: WriterClientOptions, log: Logger, onStored: (headSeq: number) => void) {
    this.#data = data;
    this.#log = log;
    this.#onStored = onStored;
  }

  get figures(): WriterClientFigures {
    const { stored, dropped } = this.#counts;
    const queuedBytes = this.#sentBytes + this.#pending.weight;
    return {
      stored,
      dropped,
      bodiesDropped: this.#bodiesDropped,
      queuedBytes,
      headSeq: this.#headSeq,
      storeBytes: this.#storeBytes,
    };
  }

  /** Starts the thread unless it is running or in a pause after a failure. */
  open(): void {
    if (this.#isClosing) return;
    if (this.#thread === undefined && performance.now() >= this.#pauseUntilMs) this.#start();
  }

  /** Records a request that has ended. Hot path. */
  request(exchange: Exchange, deployment: DeploymentIdentity | undefined): void {
    // Taken in any case, since captured bodies count against their limit until they are taken.
    const raw = exchange.bodyCapture?.take();
    if (!this.#hasRoom(REQUEST_BYTES)) return this.#drop('queue_full');
    const bodies = raw && this.#bodiesIfRoom(raw);
    pack(this.#pending.requests, exchange, deployment, bodies);
    this.#added(REQUEST_BYTES + (bodies ? memoryOf(bodies) : 0));
  }

  /**
   * Tells the writer the replica of a running request, for lines that name it. Called only if files are followed or a
   * supervised process may serve several replicas.
   */
  routed(exchange: Exchange, deployment: DeploymentIdentity): void {
    if (!this.#hasRoom(RUNNING_BYTES)) return;
    this.#running.add(exchange, deployment);
    this.#added(0, 0);
  }

  /** Sets the origin of later lines of a stream. */
  setOrigin(stream: number, origin: LineOrigin): void {
    if (!this.#streams.has(stream)) return;
    // Sends earlier bytes first, so that their lines keep the earlier origin.
    this.#flush();
    this.#streams.set(stream, origin);
    this.#pending.streams.push({ stream, origin });
  }

  /** Sets the owner of later lines of followed files that name no known request. */
  setFileOwner(origin: RequestOwner): void {
    this.#data = { ...this.#data, ingest: { ...this.#data.ingest, fileOrigin: origin } };
    if (this.#data.ingest.files.length === 0) return;
    this.#pending.fileOrigin = origin;
    this.#added(RUNNING_BYTES, 0);
  }

  /** Opens a stream of log lines. Returns its number. */
  stream(origin: LineOrigin): number {
    const stream = ++this.#n;
    this.#streams.set(stream, origin);
    this.#pending.streams.push({ stream, origin });
    return stream;
  }

  /** Records bytes of a stream. `undefined` ends the stream. */
  bytes(stream: number, bytes: Uint8Array | undefined): void {
    // Lines are counted, since short lines take much more memory as records than as bytes.
    const weight = bytes === undefined ? 0 : bytes.length + RECORD_BYTES * countLines(bytes);
    if (bytes === undefined) this.#streams.delete(stream);
    else if (!this.#hasRoom(weight)) return this.#drop('queue_full');
    this.#pending.chunks.push({ stream, bytes: bytes && withOwnBuffer(bytes) });
    this.#added(weight);
  }

  /** Stores records and lines. Resolves when `kill -9` cannot lose them any more, or when they are lost. */
  post(records: readonly LogRecord[], lines?: PostedLines): Promise<PostResult> {
    const count = records.length + (lines?.count ?? 0);
    const bytes = weightOf(records) + (lines ? this.#weightOfLines(lines) : 0);
    if (this.#isClosing || !this.#hasRoom(bytes)) {
      this.#drop('queue_full', count);
      return Promise.resolve({ problem: 'queue_full' });
    }
    const n = ++this.#n;
    this.#pending.posts.push({ n, records, lines });
    const { promise, resolve } = Promise.withResolvers<PostResult>();
    this.#posts.set(n, resolve);
    this.#added(bytes, count);
    return promise;
  }

  /** Reports to the writer that the reader has found a segment damaged. */
  damaged(path: string, problem: string): void {
    this.#thread?.postMessage({ damaged: path, problem });
  }

  /** Writes all data, until the deadline (performance.now()) or for 15 s, whichever comes first. */
  async close(deadlineMs: number): Promise<void> {
    this.#flush();
    this.#isClosing = true;
    const thread = this.#thread;
    if (thread === undefined) return;
    thread.ref();
    const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage('close');
    await waitAtMost(Math.min(LAST_MS, deadlineMs - performance.now()), exited);
    await thread.terminate();
  }

  /** Returns the bodies if there is room for them. Otherwise the request is stored without them. */
  #bodiesIfRoom(bodies: RawBodies): RawBodies | undefined {
    if (!this.#hasRoom(REQUEST_BYTES + memoryOf(bodies), MAX_QUEUED_BYTES_WITH_BODIES)) {
      this.#bodiesDropped++;
      return undefined;
    }
    for (const body of [bodies.request, bodies.response]) if (body) this.#transfer.push(body.bytes.buffer);
    return bodies;
  }

  /** Estimates the memory of lines: their bytes, and a record each, whose texts are cut at `maxLineBytes`. */
  #weightOfLines({ bytes: { length }, count }: PostedLines): number {
    return length + RECORD_BYTES * count + 4 * Math.min(length, count * this.#data.ingest.maxLineBytes);
  }

  #hasRoom(bytes: number, limit = MAX_QUEUED_BYTES): boolean {
    return this.#sentBytes + this.#pending.weight + bytes <= limit;
  }

  #drop(why: DroppedRecords, count = 1): void {
    const { dropped } = this.#counts;
    dropped.set(why, (dropped.get(why) ?? 0) + count);
  }

  #added(bytes: number, count = 1): void {
    this.#pending.weight += bytes;
    this.#pending.count += count;
    if (this.#pending.weight >= SEND_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#addRunning();
    if (this.#pending.weight === 0 && this.#pending.chunks.length === 0) return;
    this.open();
    const batch = this.#pending;
    const transfer = this.#transfer;
    this.#pending = emptyBatch();
    this.#transfer = [];
    if (this.#thread === undefined) return this.#lose(batch);
    this.#sent.push({ weight: batch.weight, count: batch.count });
    this.#sentBytes += batch.weight;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#thread.postMessage(batch, transfer);
  }

  /** Adds the running requests to the batch. */
  #addRunning(): void {
    const running = this.#running.take();
    this.#pending.running = running;
    this.#pending.weight += RUNNING_BYTES * running.length;
    if (this.#running.isWaiting && !this.#isClosing)
      this.#timer = setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  /** Drops a batch that cannot be sent. */
  #lose({ count, posts }: PendingBatch): void {
    this.#drop('store_unusable', count);
    for (const { n } of posts) this.#resolvePost(n, { problem: 'store_unusable' });
  }

  #resolvePost(n: number, result: PostResult): void {
    const resolve = this.#posts.get(n);
    this.#posts.delete(n);
    resolve?.(result);
  }

  #start(): void {
    const { writer, ingest, own } = this.#data;
    const workerData: WriterData = { writer, ingest: { ...ingest, own: own() } };
    const thread = new Worker(THREAD, { workerData });
    this.#thread = thread;
    // The thread does not keep the process alive.
    thread.unref();
    this.#pending.streams = Array.from(this.#streams, ([stream, origin]) => ({ stream, origin }));
    thread.on('message', (message: WriterMessage) => this.#onMessage(message));
    thread.on('error', (error) => this.#onEnd(thread, error.message));
    thread.on('exit', () => this.#onEnd(thread, 'the writer thread of the log store ended'));
  }

  #onMessage({ opened, done, headSeq, bytes, stored, lost, posts, logged }: WriterMessage): void {
    for (const { level, event, fields, name } of logged)
      if (name === undefined) this.#log[level](event, fields);
      else this.#log.event(name, fields);
    if (opened !== undefined && opened !== '') return this.#onEnd(this.#thread!, opened);
    for (const { weight } of this.#sent.splice(0, done)) this.#sentBytes -= weight;
    this.#storeBytes = bytes;
    const counts = this.#counts;
    for (const [kind, n] of Object.entries(stored))
      counts.stored.set(kind, (counts.stored.get(kind) ?? 0) + n);
    for (const [why, n] of Object.entries(lost)) this.#drop(why as LostRecords, n);
    for (const { n, ...result } of posts) this.#resolvePost(n, result);
    if (opened === '') this.#onOpened();
    if (headSeq === this.#headSeq) return;
    this.#headSeq = headSeq;
    this.#onStored(headSeq);
  }

  #onOpened(): void {
    const { dropped } = this.#counts;
    const lost = (dropped.get('store_unusable') ?? 0) - this.#lostBefore;
    if (this.#failures > 0) this.#log.event('log_store_back', { lost });
    this.#failures = 0;
  }

  #onEnd(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    void thread.terminate();
    const lost = this.#sent.splice(0).reduce((sum, { count }) => sum + count, 0);
    this.#sentBytes = 0;
    if (lost > 0) this.#drop('store_unusable', lost);
    // Posts that were not sent yet wait for the next thread.
    const notSent = new Set(this.#pending.posts.map(({ n }) => n));
    for (const n of Array.from(this.#posts.keys()).filter((one) => !notSent.has(one)))
      this.#resolvePost(n, { problem: 'store_unusable' });
    if (this.#isClosing) {
      if (lost > 0)
        this.#log.error('log records lost', { why: 'not stored before the shutdown deadline', count: lost });
      return;
    }
    if (this.#failures === 0) this.#lostBefore = (this.#counts.dropped.get('store_unusable') ?? 0) - lost;
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#pauseUntilMs = performance.now() + pauseMs;
    this.#log.event('log_store_lost', { problem: reason, again_in_ms: Math.round(pauseMs) });
  }
}
