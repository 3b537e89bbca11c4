// Worker thread that writes the log store: converts batches of the main thread and followed files to records.
// Invariant: batches are stored in their order, and each batch and post is acknowledged once it is stored or lost.
import { parentPort, workerData } from 'node:worker_threads';
import type { EventName } from '../../../core/events.ts';
import type { StoreEntry } from '../store/store-entry.ts';
import type { FilePosition } from '../ingest/log-file-follower.ts';
import { Ingester, type IngesterOptions } from '../ingest/ingester.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import {
  StoreWriter,
  type AppendResult,
  type LostRecords,
  type WriterOptions,
} from '../store/store-writer.ts';
import type { LogRecord, LineOrigin } from '../log-record.ts';
import type { RunningRequest } from '../ingest/running-requests.ts';

export interface WriterData {
  readonly writer: WriterOptions;
  readonly ingest: IngesterOptions;
}

/** Data that the main thread has collected since the last batch. */
export interface Batch {
  /** Packed requests (request-record.ts). */
  readonly requests: readonly unknown[];
  /** Bytes of streams of log lines. `undefined`: the stream has ended. */
  readonly chunks: readonly { readonly stream: number; readonly bytes: Uint8Array | undefined }[];
  /** New streams, and streams with a new origin. */
  readonly streams: readonly { readonly stream: number; readonly origin: LineOrigin }[];
  /** Running requests, if files are followed. */
  readonly running: readonly RunningRequest[];
  /** New owner of lines of followed files that name no known request. */
  readonly fileOrigin?: RequestOwner | undefined;
  readonly posts: readonly StorePost[];
}

/** Records and lines that the main thread waits for until they are stored. */
export interface StorePost {
  /** Number of the post in its acknowledgement. */
  readonly n: number;
  readonly records: readonly LogRecord[];
  readonly lines?: PostedLines | undefined;
}

/** Lines, each plain text or a JSON object, as a replica writes them. */
export interface PostedLines {
  readonly bytes: Uint8Array;
  readonly origin: LineOrigin;
  /** Maximum number of records. */
  readonly count: number;
}

/** Acknowledgement of batches and posts. */
interface WriteResult {
  /** Number of batches that are stored or lost. */
  done: number;
  /** Number of stored records by kind. */
  readonly stored: Record<string, number>;
  /** Number of lost records by reason. */
  readonly lost: Partial<Record<LostRecords, number>>;
  readonly posts: ({ readonly n: number } & (
    { readonly stored: number } | { readonly problem: LostRecords }
  ))[];
}

export interface WriterMessage extends Readonly<WriteResult> {
  /** Only in the first message: '' or an error text, if the folder cannot be used. */
  readonly opened?: string;
  readonly headSeq: number;
  /** Size of all segments. */
  readonly bytes: number;
  /** Lines for weir's own log. */
  readonly logged: readonly {
    level: 'info' | 'warn' | 'error';
    event: string;
    fields: Record<string, unknown>;
    /** Name of the lifecycle event, if it is one. */
    name?: EventName | undefined;
  }[];
}

/** Pause before the next attempt while another process has locked the file. */
const BUSY_MS = 20;
const TICK_MS = 25;
const APPLY_LIMITS_EVERY_TICKS = 40;
/** Maximum number of records in one transaction, so that readers need not wait long. */
const MAX_ENTRIES = 2000;
/** Number of queued items at which reading of followed files pauses. */
const MAX_QUEUED = 50;

const port = parentPort!;
const { writer: writerOptions, ingest: ingestOptions } = workerData as WriterData;

let logged: WriterMessage['logged'][number][] = [];
const writer = new StoreWriter(
  writerOptions,
  (level, event, fields, name) => void logged.push({ level, event, fields, name }),
  Date.now,
);
const ingester = new Ingester(ingestOptions);

/** Entries that are stored in the same transaction. */
interface Item {
  readonly entries: StoreEntry[];
  /** Number of the post to acknowledge; `batch`: the last item of a batch; `tick`: nothing to acknowledge. */
  readonly source: number | 'batch' | 'tick';
  /** Positions in the followed files after these entries, as JSON. */
  note?: string;
}

let queue: Item[] = [];
let isWriting = false;
/** Called when the queue is empty after `close`. */
let finish: (() => void) | undefined;

function accept({ streams, requests, chunks, posts, running, fileOrigin }: Batch): void {
  const entries: StoreEntry[] = [];
  if (fileOrigin) ingester.setFileOwner(fileOrigin);
  for (const { requestId, owner } of running) ingester.addRunning(requestId, owner);
  for (const { stream, origin } of streams) ingester.openStream(stream, origin);
  ingester.addRequests(requests, entries);
  for (const { stream, bytes } of chunks) ingester.addBytes(stream, bytes, entries);
  for (const { n, records, lines } of posts) {
    const own: StoreEntry[] = records.map((record) => ({ record: ingester.sanitized(record) }));
    if (lines) ingester.addLines(lines.bytes, lines.origin, own);
    queue.push({ entries: own, source: n });
  }
  queue.push({ entries, source: 'batch' });
}

/** Records of followed files that wait for OWNER_DELAY_MS. */
interface DelayedRecords {
  readonly records: readonly LogRecord[];
  /** When the wait began (performance.now()). */
  readonly sinceMs: number;
  note?: string;
}

/**
 * How long lines of followed files wait before their owner is looked up. Longer than GATHER_MS of the main thread, so
 * that the requests that they name are known.
 */
const OWNER_DELAY_MS = 60;
const delayed: DelayedRecords[] = [];

/** Queues the records whose wait began at `untilMs` (performance.now()) or earlier. */
function queueDelayed(untilMs: number): void {
  while (delayed[0] !== undefined && delayed[0].sinceMs <= untilMs) {
    const { records, note } = delayed.shift()!;
    const item: Item = {
      entries: records.map((record) => ({ record: ingester.withOwner(record) })),
      source: 'tick',
    };
    if (note !== undefined) item.note = note;
    queue.push(item);
  }
}

/** Returns items from the front of the queue for one transaction. */
function nextItems(): Item[] {
  let count = 0;
  const end = queue.findIndex(({ entries }) => (count += entries.length) > MAX_ENTRIES);
  return queue.slice(0, end === -1 ? queue.length : Math.max(1, end));
}

/** Stores the queue, and acknowledges it. */
function write(): void {
  isWriting = false;
  const written: WriteResult = { done: 0, stored: {}, lost: {}, posts: [] };
  while (queue.length > 0) {
    const items = nextItems();
    const entries = items.flatMap((item) => item.entries);
    const note = items.findLast((item) => item.note !== undefined)?.note;
    const isEmpty = entries.length === 0 && note === undefined;
    const result: AppendResult = isEmpty ? { kind: 'stored' } : writer.append(entries, note);
    if (result.kind === 'busy') {
      isWriting = true;
      setTimeout(write, BUSY_MS);
      break;
    }
    queue = queue.slice(items.length);
    if (result.kind === 'lost') written.lost[result.why] = (written.lost[result.why] ?? 0) + entries.length;
    else
      for (const { record } of entries) written.stored[record.kind] = (written.stored[record.kind] ?? 0) + 1;
    for (const { source, entries: own } of items)
      if (source === 'batch') written.done++;
      else if (source !== 'tick')
        written.posts.push(
          result.kind === 'lost' ? { n: source, problem: result.why } : { n: source, stored: own.length },
        );
  }
  send(written);
  if (queue.length === 0) finish?.();
}

function send(result: WriteResult & { opened?: string }): void {
  const message: WriterMessage = { ...result, headSeq: writer.headSeq, bytes: writer.bytes, logged };
  logged = [];
  port.postMessage(message);
}

const opened = writer.open();
send({ opened, done: 0, stored: {}, lost: {}, posts: [] });
if (opened === '') {
  let ticks = 0;
  const tick = () => {
    const entries: StoreEntry[] = [];
    ingester.tick(entries);
    queueDelayed(performance.now() - OWNER_DELAY_MS);
    if (entries.length > 0) queue.push({ entries, source: 'tick' });
    if (queue.length > 0 && !isWriting) write();
    if (++ticks % APPLY_LIMITS_EVERY_TICKS !== 0) return;
    writer.applyLimits();
    if (logged.length > 0) send({ done: 0, stored: {}, lost: {}, posts: [] });
  };
  const timer = setInterval(tick, TICK_MS);
  const follower = ingester.follow({
    deliver: (records) => void delayed.push({ records, sinceMs: performance.now() }),
    // Called in the same turn as `deliver`, so the positions belong to the last delayed records.
    save(positions) {
      const note = JSON.stringify(positions);
      const last = delayed.at(-1);
      if (last) last.note = note;
      else delayed.push({ records: [], sinceMs: performance.now(), note });
    },
    load: () => (writer.note === '' ? [] : (JSON.parse(writer.note) as FilePosition[])),
    isFull: () => queue.length + delayed.length > MAX_QUEUED,
    report: (file, problem) =>
      void logged.push({ level: 'warn', event: 'log file not followed', fields: { file, problem } }),
  });
  const close = async () => {
    clearInterval(timer);
    await follower?.close();
    queueDelayed(Infinity);
    const entries: StoreEntry[] = [];
    ingester.end(entries);
    queue.push({ entries, source: 'tick' });
    // The folder stays locked until the queue is written, or until the main thread ends this thread at its deadline.
    finish = () => {
      writer.close();
      port.close();
    };
    if (!isWriting) write();
  };
  port.on('message', (message: Batch | { damaged: string; problem: string } | 'close') => {
    if (message === 'close') void close();
    else if ('damaged' in message) writer.damaged(message.damaged, message.problem);
    else {
      accept(message);
      if (isWriting) return;
      isWriting = true;
      setImmediate(write);
    }
  });
}
