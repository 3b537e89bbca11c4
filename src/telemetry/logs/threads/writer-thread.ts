// The thread that writes the record: packed requests, bytes of logged lines and posted records become rows.
// Must stay true: what arrived is stored in the order of its arrival, one transaction for all that waits; each batch is
// answered, so that who sends knows what is still on its way, and what was posted is answered only once it is stored.
import { parentPort, workerData } from 'node:worker_threads';
import type { EventName } from '../../../core/events.ts';
import type { StoreEntry } from '../store/segment-writer.ts';
import type { FilePosition } from '../ingest/log-file-follower.ts';
import { Ingester, type IngesterOptions } from '../ingest/ingester.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import {
  StoreWriter,
  type AppendResult,
  type LostRecords,
  type WriterOptions,
} from '../store/store-writer.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import type { RunningRequest } from '../ingest/running-requests.ts';

export interface WriterData {
  readonly writer: WriterOptions;
  readonly intake: IngesterOptions;
}

/** What is sent in one go. */
export interface Batch {
  /** Requests, packed one after the other (request-record.ts). */
  readonly requests: readonly unknown[];
  /** Bytes that a stream gave; none: the stream has ended. */
  readonly chunks: readonly { readonly stream: number; readonly bytes: Uint8Array | undefined }[];
  /** Streams that are new. */
  readonly streams: readonly { readonly stream: number; readonly origin: RecordOrigin }[];
  /** Running requests, if files are followed. */
  readonly running: readonly RunningRequest[];
  /** New owner of lines of followed files that name no known request. */
  readonly fileOrigin?: RequestOwner | undefined;
  /** Posted from outside; its answer has the same number. */
  readonly posted: readonly Posted[];
}

export interface Posted {
  readonly n: number;
  readonly records: readonly LogRecord[];
  /** NDJSON or plain lines, to be read as those of a replica. */
  readonly lines?: PostedLines | undefined;
}

export interface PostedLines {
  readonly bytes: Uint8Array;
  readonly origin: RecordOrigin;
  /** How many records they may become. */
  readonly count: number;
}

/** What has become of batches. */
interface News {
  /** Batches that are done with. */
  done: number;
  /** Records by kind. */
  readonly stored: Record<string, number>;
  readonly lost: Partial<Record<LostRecords, number>>;
  readonly posted: ({ readonly n: number } & (
    { readonly stored: number } | { readonly problem: LostRecords }
  ))[];
}

export interface WriterMessage extends Readonly<News> {
  /** First message: '' or why the record cannot be kept. */
  readonly opened?: string;
  readonly headSeq: number;
  readonly bytes: number;
  readonly said: readonly {
    level: 'info' | 'warn' | 'error';
    event: string;
    fields: Record<string, unknown>;
    /** Name of the lifecycle event, if it is one. */
    name?: EventName | undefined;
  }[];
}

/** Where the file is held by somebody else, it is tried again this much later. */
const BUSY_MS = 20;
const TICK_MS = 25;
const TIDY_EVERY_TICKS = 40;
/** Records in one transaction: none shall take so long that those who look things up must wait. */
const MAX_ENTRIES = 2000;
/** Items beyond which followed files wait. */
const MAX_WAITING = 50;

const port = parentPort!;
const { writer: writerOptions, intake: intakeOptions } = workerData as WriterData;

let said: WriterMessage['said'][number][] = [];
const writer = new StoreWriter(
  writerOptions,
  (level, event, fields, name) => void said.push({ level, event, fields, name }),
  Date.now,
);
const intake = new Ingester(intakeOptions);

/** What is stored together, or not at all, and what is owed for it. */
interface Item {
  readonly entries: StoreEntry[];
  /** Number of the post that waits for it; `batch`: it is the last of one; `tick`: nobody waits. */
  readonly of: number | 'batch' | 'tick';
  /** Where reading of followed files stands behind these entries. */
  note?: string;
}

let queue: Item[] = [];
let isWriting = false;
/** What is to be done once nothing waits any more: nobody sends after that. */
let finish: (() => void) | undefined;

function accept({ streams, requests, chunks, posted, running, fileOrigin }: Batch): void {
  const entries: StoreEntry[] = [];
  if (fileOrigin) intake.setFileOwner(fileOrigin);
  for (const { requestId, owner } of running) intake.addRunning(requestId, owner);
  for (const { stream, origin } of streams) intake.openStream(stream, origin);
  intake.addRequests(requests, entries);
  for (const { stream, bytes } of chunks) intake.addBytes(stream, bytes, entries);
  for (const { n, records, lines } of posted) {
    const own: StoreEntry[] = records.map((record) => ({ record: intake.sanitized(record) }));
    if (lines) intake.addLines(lines.bytes, lines.origin, own);
    queue.push({ entries: own, of: n });
  }
  queue.push({ entries, of: 'batch' });
}

/** Records read from followed files, not in the queue yet. */
interface Held {
  readonly records: readonly LogRecord[];
  readonly sinceMs: number;
  note?: string;
}

/**
 * How long lines of followed files wait before their owner is looked up: longer than the sender's GATHER_MS, so that the
 * request that they name is known.
 */
const HELD_MS = 60;
const held: Held[] = [];

/** Puts records that are held since `untilMs` (performance.now()) or longer into the queue. */
function release(untilMs: number): void {
  while (held[0] !== undefined && held[0].sinceMs <= untilMs) {
    const { records, note } = held.shift()!;
    const item: Item = {
      entries: records.map((record) => ({ record: intake.withOwner(record) })),
      of: 'tick',
    };
    if (note !== undefined) item.note = note;
    queue.push(item);
  }
}

/** Items from the front of the queue that make one transaction. */
function gather(): Item[] {
  let count = 0;
  const end = queue.findIndex(({ entries }) => (count += entries.length) > MAX_ENTRIES);
  return queue.slice(0, end === -1 ? queue.length : Math.max(1, end));
}

/** Stores what waits; tells the other side what is done. */
function write(): void {
  isWriting = false;
  const news: News = { done: 0, stored: {}, lost: {}, posted: [] };
  while (queue.length > 0) {
    const items = gather();
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
    if (result.kind === 'lost') news.lost[result.why] = (news.lost[result.why] ?? 0) + entries.length;
    else for (const { record } of entries) news.stored[record.kind] = (news.stored[record.kind] ?? 0) + 1;
    for (const { of, entries: own } of items)
      if (of === 'batch') news.done++;
      else if (of !== 'tick')
        news.posted.push(
          result.kind === 'lost' ? { n: of, problem: result.why } : { n: of, stored: own.length },
        );
  }
  tell(news);
  if (queue.length === 0) finish?.();
}

function tell(news: News & { opened?: string }): void {
  const message: WriterMessage = { ...news, headSeq: writer.headSeq, bytes: writer.bytes, said };
  said = [];
  port.postMessage(message);
}

const opened = writer.open();
tell({ opened, done: 0, stored: {}, lost: {}, posted: [] });
if (opened === '') {
  let ticks = 0;
  const tick = () => {
    const entries: StoreEntry[] = [];
    intake.tick(entries);
    release(performance.now() - HELD_MS);
    if (entries.length > 0) queue.push({ entries, of: 'tick' });
    if (queue.length > 0 && !isWriting) write();
    if (++ticks % TIDY_EVERY_TICKS !== 0) return;
    writer.tidy();
    if (said.length > 0) tell({ done: 0, stored: {}, lost: {}, posted: [] });
  };
  const timer = setInterval(tick, TICK_MS);
  const follower = intake.follow({
    deliver: (records) => void held.push({ records, sinceMs: performance.now() }),
    // Called in the same turn as `deliver`: the positions belong to the last held records.
    save(positions) {
      const note = JSON.stringify(positions);
      const last = held.at(-1);
      if (last) last.note = note;
      else held.push({ records: [], sinceMs: performance.now(), note });
    },
    load: () => (writer.note === '' ? [] : (JSON.parse(writer.note) as FilePosition[])),
    isFull: () => queue.length + held.length > MAX_WAITING,
    report: (file, problem) =>
      void said.push({ level: 'warn', event: 'a log file is not followed', fields: { file, problem } }),
  });
  const close = async () => {
    clearInterval(timer);
    await follower?.close();
    release(Infinity);
    const entries: StoreEntry[] = [];
    intake.end(entries);
    queue.push({ entries, of: 'tick' });
    // The folder stays ours until all of it is written, or who waits for us has enough of it: the file may be held.
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
