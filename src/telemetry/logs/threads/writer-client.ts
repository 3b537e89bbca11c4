// The forwarding thread's side of the writer: gathers what happened for a moment and sends it over in one go.
// Must stay true: nothing here waits, and what is on its way is bounded: beyond that it is dropped and counted. When the
// thread ends, what it had is counted as lost, and another is started when something new has happened.
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../../../core/backoff.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import { pack, type PackedDeployment } from '../ingest/request-record.ts';
import { RunningRequests, type RunningRequest } from '../ingest/running-requests.ts';
import type { Batch, Posted, PostedLines, WriterData, WriterMessage } from './writer-thread.ts';
import type { LostRecords } from '../store/store-writer.ts';

/** Why something was not recorded: the writer is behind, cannot open its folder, or met one of its own troubles. */
export type DroppedRecords = LostRecords | 'queue_full' | 'store_unusable';

/** What became of something that was posted. */
export type PostResult = { readonly stored: number } | { readonly problem: DroppedRecords };

export interface WriterClientFigures {
  /** By kind of record. */
  readonly stored: ReadonlyMap<string, number>;
  /** Requests, posted records and pieces of a stream (up to 64 KiB each), by reason. */
  readonly dropped: ReadonlyMap<DroppedRecords, number>;
  /** Requests that were stored without the bodies that were copied of them, because the writer is behind. */
  readonly bodiesDropped: number;
  /** Bytes that are on their way to the writer. */
  readonly queuedBytes: number;
  readonly headSeq: number;
  /** Bytes on the disk. */
  readonly storeBytes: number;
}

/** How long what happened is gathered. Together with a transaction it is what a `kill -9` can lose. */
const GATHER_MS = 20;
/** What may be on its way. */
const MAX_QUEUED_BYTES = 64 * 1024 ** 2;
/** Bodies may come along while no more than this part of it is taken: a few of them must not crowd out many requests. */
const BODIES_PART = 2;
/** What is sent at once, however short the time. */
const SEND_BYTES = 512 * 1024;
/** What a request weighs, bodies aside; a record that was posted, its texts aside. */
const REQUEST_BYTES = 1024;
const RECORD_BYTES = 512;
/** Weight of one entry of `running`. */
const RUNNING_BYTES = 128;
const LF = 0x0a;
/** At the end, what waits is written for so long at most: whoever holds the file must not hold us. */
const LAST_MS = 15_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** Sources are run as they are; the build has .js in the same place. */
const THREAD = new URL(`./writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

interface Pending extends Batch {
  requests: unknown[];
  chunks: { stream: number; bytes: Uint8Array | undefined }[];
  streams: { stream: number; origin: RecordOrigin }[];
  posted: Posted[];
  running: RunningRequest[];
  fileOrigin: RequestOwner | undefined;
  /** Bytes, roughly. */
  weight: number;
  /** Requests, pieces of streams, posted records. */
  count: number;
}

const empty = (): Pending => ({
  requests: [],
  chunks: [],
  streams: [],
  posted: [],
  running: [],
  fileOrigin: undefined,
  weight: 0,
  count: 0,
});

/** What they take in memory, which is more than what is in them. */
const sizeOf = ({ request, response }: RawBodies): number =>
  (request?.bytes.buffer.byteLength ?? 0) + (response?.bytes.buffer.byteLength ?? 0);

/** With a memory of its own: on its way to the thread a view takes all of its buffer with it. */
const alone = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);

/** Short lines take far more as records than as bytes. */
function linesIn(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

const weigh = (records: readonly LogRecord[]): number =>
  records.reduce(
    (sum, { message, attributes }) => sum + RECORD_BYTES + message.length + attributes.length,
    0,
  );

export class WriterClient {
  #data: WriterData;
  readonly #log: Logger;
  readonly #stored: (headSeq: number) => void;
  #thread: Worker | undefined;
  #pending = empty();
  /** Memory of bodies in `#pending`, which the thread gets as it is. */
  #handed: ArrayBuffer[] = [];
  readonly #running = new RunningRequests();
  #bodiesDropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Batches that the thread has not answered yet, in their order. */
  #onTheirWay: Pick<Pending, 'weight' | 'count'>[] = [];
  #bytesOnTheirWay = 0;
  #n = 0;
  readonly #posts = new Map<number, (result: PostResult) => void>();
  readonly #streams = new Map<number, RecordOrigin>();
  #failures = 0;
  /** Records lost as `store_unusable` before the current series of failures. */
  #lostBefore = 0;
  #pauseUntilMs = 0;
  #isClosing = false;
  readonly #counts = { stored: new Map<string, number>(), dropped: new Map<DroppedRecords, number>() };
  #headSeq = 0;
  #storeBytes = 0;

  /** `stored` is told the newest place whenever something was stored. */
  constructor(data: WriterData, log: Logger, stored: (headSeq: number) => void) {
    this.#data = data;
    this.#log = log;
    this.#stored = stored;
  }

  get figures(): WriterClientFigures {
    const { stored, dropped } = this.#counts;
    const queuedBytes = this.#bytesOnTheirWay + this.#pending.weight;
    return {
      stored,
      dropped,
      bodiesDropped: this.#bodiesDropped,
      queuedBytes,
      headSeq: this.#headSeq,
      storeBytes: this.#storeBytes,
    };
  }

  /** Starts the thread now, for what it does by itself: follow files, delete what is old. */
  open(): void {
    if (this.#isClosing) return;
    if (this.#thread === undefined && performance.now() >= this.#pauseUntilMs) this.#start();
  }

  /** A request that ended. Hot path. */
  request(exchange: Exchange, deployment: PackedDeployment | undefined): void {
    // Taken in any case: what a tap holds is counted until then.
    const raw = exchange.bodyCapture?.take();
    if (!this.#hasRoom(REQUEST_BYTES)) return this.#drop('queue_full');
    const bodies = raw && this.#fitting(raw);
    pack(this.#pending.requests, exchange, deployment, bodies);
    this.#added(REQUEST_BYTES + (bodies ? sizeOf(bodies) : 0));
  }

  /**
   * A request was given to a deployment. Only called when files are followed or a supervised process may be several
   * replicas: lines that name the request belong to its replica.
   */
  routed(exchange: Exchange, deployment: PackedDeployment): void {
    if (!this.#hasRoom(RUNNING_BYTES)) return;
    this.#running.add(exchange, deployment);
    this.#added(0, 0);
  }

  /** Sets the origin of later lines of a stream. */
  setOrigin(stream: number, origin: RecordOrigin): void {
    if (!this.#streams.has(stream)) return;
    // Earlier bytes keep the earlier origin.
    this.#flush();
    this.#streams.set(stream, origin);
    this.#pending.streams.push({ stream, origin });
  }

  /** Sets the owner of later lines of followed files that name no known request. */
  setFileOwner(origin: RequestOwner): void {
    this.#data = { ...this.#data, intake: { ...this.#data.intake, fileOrigin: origin } };
    if (this.#data.intake.files.length === 0) return;
    this.#pending.fileOrigin = origin;
    this.#added(RUNNING_BYTES, 0);
  }

  /** A new stream of lines; returns its number. */
  stream(origin: RecordOrigin): number {
    const stream = ++this.#n;
    this.#streams.set(stream, origin);
    this.#pending.streams.push({ stream, origin });
    return stream;
  }

  /** Bytes of a stream, or its end. */
  bytes(stream: number, bytes: Uint8Array | undefined): void {
    const weight = bytes === undefined ? 0 : bytes.length + RECORD_BYTES * linesIn(bytes);
    if (bytes === undefined) this.#streams.delete(stream);
    else if (!this.#hasRoom(weight)) return this.#drop('queue_full');
    this.#pending.chunks.push({ stream, bytes: bytes && alone(bytes) });
    this.#added(weight);
  }

  /** Stores records and lines from outside; resolves when they are on disk as far as `kill -9` goes, or are not. */
  post(records: readonly LogRecord[], lines?: PostedLines): Promise<PostResult> {
    const count = records.length + (lines?.count ?? 0);
    const bytes = weigh(records) + (lines ? this.#weighLines(lines) : 0);
    if (this.#isClosing || !this.#hasRoom(bytes)) {
      this.#drop('queue_full', count);
      return Promise.resolve({ problem: 'queue_full' });
    }
    const n = ++this.#n;
    this.#pending.posted.push({ n, records, lines });
    const { promise, resolve } = Promise.withResolvers<PostResult>();
    this.#posts.set(n, resolve);
    this.#added(bytes, count);
    return promise;
  }

  /** A reader has found a file damaged. */
  damaged(path: string, problem: string): void {
    this.#thread?.postMessage({ damaged: path, problem });
  }

  /** Writes what is on its way, up to the deadline (performance.now()) or 15 s. */
  async close(deadlineMs: number): Promise<void> {
    this.#flush();
    this.#isClosing = true;
    const thread = this.#thread;
    if (thread === undefined) return;
    thread.ref();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    thread.once('exit', () => resolve());
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage('close');
    const late = setTimeout(resolve, Math.min(LAST_MS, Math.max(0, deadlineMs - performance.now())));
    await ended;
    clearTimeout(late);
    await thread.terminate();
  }

  /** Bodies for which there is room; a request goes without rather than not at all. */
  #fitting(bodies: RawBodies): RawBodies | undefined {
    if (!this.#hasRoom(REQUEST_BYTES + sizeOf(bodies), MAX_QUEUED_BYTES / BODIES_PART)) {
      this.#bodiesDropped++;
      return undefined;
    }
    for (const body of [bodies.request, bodies.response]) if (body) this.#handed.push(body.bytes.buffer);
    return bodies;
  }

  /** Short lines take more as records than as bytes, and no more is made of a long one than its beginning. */
  #weighLines({ bytes: { length }, count }: PostedLines): number {
    return length + RECORD_BYTES * count + 4 * Math.min(length, count * this.#data.intake.maxLineBytes);
  }

  #hasRoom(bytes: number, of = MAX_QUEUED_BYTES): boolean {
    return this.#bytesOnTheirWay + this.#pending.weight + bytes <= of;
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
    this.#tellRunning();
    if (this.#pending.weight === 0 && this.#pending.chunks.length === 0) return;
    this.open();
    const batch = this.#pending;
    const handed = this.#handed;
    this.#pending = empty();
    this.#handed = [];
    if (this.#thread === undefined) return this.#lose(batch);
    this.#onTheirWay.push({ weight: batch.weight, count: batch.count });
    this.#bytesOnTheirWay += batch.weight;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#thread.postMessage(batch, handed);
  }

  /** Adds the running requests to the batch. */
  #tellRunning(): void {
    const running = this.#running.take();
    this.#pending.running = running;
    this.#pending.weight += RUNNING_BYTES * running.length;
    if (this.#running.isWaiting && !this.#isClosing)
      this.#timer = setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  #lose({ count, posted }: Pending): void {
    this.#drop('store_unusable', count);
    for (const { n } of posted) this.#answer(n, { problem: 'store_unusable' });
  }

  #answer(n: number, result: PostResult): void {
    const resolve = this.#posts.get(n);
    this.#posts.delete(n);
    resolve?.(result);
  }

  #start(): void {
    const thread = new Worker(THREAD, { workerData: this.#data });
    this.#thread = thread;
    // What is running keeps the process alive, not this.
    thread.unref();
    this.#pending.streams = Array.from(this.#streams, ([stream, origin]) => ({ stream, origin }));
    thread.on('message', (message: WriterMessage) => this.#onMessage(message));
    thread.on('error', (error) => this.#onEnd(thread, error.message));
    thread.on('exit', () => this.#onEnd(thread, 'it ended'));
  }

  #onMessage({ opened, done, headSeq, bytes, stored, lost, posted, said }: WriterMessage): void {
    for (const { level, event, fields, name } of said)
      if (name === undefined) this.#log[level](event, fields);
      else this.#log.event(name, fields);
    if (opened !== undefined && opened !== '') return this.#onEnd(this.#thread!, opened);
    for (const { weight } of this.#onTheirWay.splice(0, done)) this.#bytesOnTheirWay -= weight;
    this.#storeBytes = bytes;
    const counts = this.#counts;
    for (const [kind, n] of Object.entries(stored))
      counts.stored.set(kind, (counts.stored.get(kind) ?? 0) + n);
    for (const [why, n] of Object.entries(lost)) this.#drop(why as LostRecords, n);
    for (const { n, ...result } of posted) this.#answer(n, result);
    if (opened === '') this.#opened();
    if (headSeq === this.#headSeq) return;
    this.#headSeq = headSeq;
    this.#stored(headSeq);
  }

  #opened(): void {
    const { dropped } = this.#counts;
    const lost = (dropped.get('store_unusable') ?? 0) - this.#lostBefore;
    if (this.#failures > 0) this.#log.event('log_store_back', { lost });
    this.#failures = 0;
  }

  #onEnd(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    void thread.terminate();
    const lost = this.#onTheirWay.splice(0).reduce((sum, { count }) => sum + count, 0);
    this.#bytesOnTheirWay = 0;
    if (lost > 0) this.#drop('store_unusable', lost);
    // What was posted since then has another thread before it.
    const later = new Set(this.#pending.posted.map(({ n }) => n));
    for (const n of Array.from(this.#posts.keys()).filter((one) => !later.has(one)))
      this.#answer(n, { problem: 'store_unusable' });
    if (this.#isClosing) {
      if (lost > 0) this.#log.error('records are lost', { why: 'not stored before the end', count: lost });
      return;
    }
    if (this.#failures === 0) this.#lostBefore = (this.#counts.dropped.get('store_unusable') ?? 0) - lost;
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#pauseUntilMs = performance.now() + pauseMs;
    this.#log.event('log_store_lost', { problem: reason, again_in_ms: Math.round(pauseMs) });
  }
}
