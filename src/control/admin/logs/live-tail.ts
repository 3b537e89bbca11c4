// Live tail: matching records as server-sent events, from now on.
// Invariant: a client that reconnects with the `id` of its last event misses nothing and gets nothing twice.
// One query of the log store runs at a time, and none while the client does not read. A slow client gets an event with
// the number of records that it missed.
import type { ServerResponse } from 'node:http';
import type { LogRecord, LogStore, NextRecords, Place, QueryNode } from '../../../telemetry/logs/logs.ts';
import { logObject } from './record-json.ts';
import type { RecordView } from './record-view.ts';
import { isClosed, PAGE } from './paged-search.ts';

/** When a client counts as slow, and when it is disconnected. */
export interface TailLimits {
  /** Stored records, matching or not, that a client may lag behind. */
  readonly behind: number;
  /** Time that one write may take before the client counts as slow. */
  readonly slowMs: number;
  readonly heartbeatMs: number;
  /** A client that has read nothing for this time is disconnected. */
  readonly stuckMs: number;
  /** Maximum number of live tails. */
  readonly maxTails: number;
}

export const TAIL_LIMITS: TailLimits = {
  behind: 10_000,
  slowMs: 1000,
  heartbeatMs: 15_000,
  stuckMs: 300_000,
  maxTails: 100,
};

/** Size of one write, and so the most that a stuck client buffers. */
const CHUNK_BYTES = 256 * 1024;
/** Queries that counting missed records may take: a few seconds. */
const MAX_COUNT_QUERIES = 400;

type TailedStore = Pick<LogStore, 'after' | 'hasRead' | 'head' | 'onStored' | 'placeOf'>;

const frame = (object: object, id: Place | undefined): string =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(object)}\n\n`;

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

export class LiveTail {
  readonly #logs: TailedStore;
  readonly #node: QueryNode;
  readonly #res: ServerResponse;
  readonly #limits: TailLimits;
  readonly #view: RecordView;
  /** All records up to here were sent, did not match, or were reported as dropped. */
  #cursor: Place;
  /** The client has reached the newest record. If it lags from then on, it is slow. */
  #isLive: boolean;
  #isEnded = false;
  /** Records were stored since the last query. */
  #isStale = true;
  #wake: (() => void) | undefined;
  #blockedSinceMs = 0;

  /** `cursor`: the client has all records up to here. `isLive`: that is the newest one. */
  constructor(
    logs: TailedStore,
    node: QueryNode,
    res: ServerResponse,
    from: { readonly cursor: Place; readonly isLive: boolean },
    limits: TailLimits,
    view: RecordView = logObject,
  ) {
    this.#logs = logs;
    this.#node = node;
    this.#res = res;
    this.#limits = limits;
    this.#view = view;
    this.#cursor = from.cursor;
    this.#isLive = from.isLive;
  }

  /** Runs until the client leaves or `end` is called. `history`: records to send first, oldest first. */
  async run(history: readonly LogRecord[]): Promise<void> {
    const res = this.#res;
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Otherwise nginx buffers events.
      'x-accel-buffering': 'no',
    });
    const wake = () => this.#wake?.();
    const stopListening = this.#logs.onStored(() => {
      this.#isStale = true;
      wake();
    });
    res.on('close', wake);
    res.on('drain', wake);
    const timer = setInterval(() => this.#heartbeat(), this.#limits.heartbeatMs).unref();
    try {
      // Without ids, so that a client that is cut off here gets the whole history again.
      await this.#write(
        `retry: 1000\n\n${history.map((record) => frame(this.#view(record), undefined)).join('')}`,
      );
      await this.#write(this.#idComment());
      while (!this.#isOver()) await this.#step();
    } catch (error) {
      // The client reconnects with its last id and tries again.
      this.end('the log store could not be read');
      throw error;
    } finally {
      clearInterval(timer);
      stopListening();
    }
  }

  /** Sends the reason and ends the response. */
  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!isClosed(this.#res)) this.#res.end(event('end', { reason }));
    this.#wake?.();
  }

  async #step(): Promise<void> {
    if (!this.#isStale) return this.#sleep();
    this.#isStale = false;
    const next = await this.#logs.after(this.#node, this.#cursor, PAGE);
    if (this.#isOver()) return;
    if ((await this.#send(next)) && next.isAtHead) this.#isLive = true;
    else this.#isStale = true;
  }

  /**
   * Writes records in chunks, and before them how many were deleted before the client reconnected. Returns false if the
   * client could not take all at once: it may lag far behind by now, so the log store is queried again.
   */
  async #send({ records, cursor, missed }: NextRecords): Promise<boolean> {
    let chunk = missed > 0 ? event('dropped', { places: missed }) : '';
    for (const [i, record] of records.entries()) {
      const place = this.#logs.placeOf(record);
      chunk += frame(this.#view(record), place);
      if (chunk.length < CHUNK_BYTES && i < records.length - 1) continue;
      this.#cursor = place;
      const wasReady = await this.#write(chunk);
      chunk = '';
      if (this.#isOver() || !wasReady) return false;
    }
    this.#cursor = cursor;
    return chunk === '' || (await this.#write(chunk));
  }

  /** Writes and waits until the client can take more. Returns true if it could at once. */
  async #write(text: string): Promise<boolean> {
    if (this.#isOver() || this.#res.write(text)) return true;
    const startMs = performance.now();
    this.#blockedSinceMs = startMs;
    while (this.#res.writableNeedDrain && !this.#isOver()) await this.#sleep();
    this.#blockedSinceMs = 0;
    if (!this.#isOver() && this.#isLive && performance.now() - startMs >= this.#limits.slowMs)
      await this.#catchUp();
    return false;
  }

  /** Skips records that a slow client is too late for, and tells it how many of them matched. */
  async #catchUp(): Promise<void> {
    const head = await this.#logs.head(this.#cursor);
    if (head.behind <= this.#limits.behind) return;
    let cursor = this.#cursor;
    let count = 0;
    let isCounted = false;
    for (let calls = 0; calls < MAX_COUNT_QUERIES && !isCounted && !this.#isOver(); calls++) {
      const next = await this.#logs.after(this.#node, cursor, PAGE);
      // Not all records can be counted any more.
      if (next.missed > 0) break;
      count += next.records.length;
      cursor = next.cursor;
      const last = next.records.at(-1);
      isCounted = next.isAtHead || (last !== undefined && !this.#logs.hasRead(head.place, last));
    }
    this.#cursor = isCounted ? cursor : head.place;
    const missed = isCounted ? { count } : { places: head.behind };
    if (!this.#isOver()) this.#res.write(`id: ${this.#cursor}\n${event('dropped', missed)}`);
  }

  /** Sends a comment that keeps the connection open and updates the client's last id. */
  #heartbeat(): void {
    if (this.#isOver()) return;
    if (!this.#res.writableNeedDrain) this.#res.write(this.#idComment());
    else if (this.#blockedSinceMs > 0 && performance.now() - this.#blockedSinceMs > this.#limits.stuckMs)
      this.#res.destroy();
  }

  #idComment(): string {
    return `id: ${this.#cursor}\n: \n\n`;
  }

  #sleep(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #isOver(): boolean {
    return this.#isEnded || isClosed(this.#res);
  }
}

/** All running live tails. */
export class LiveTails {
  readonly limits: TailLimits;
  readonly #running = new Set<LiveTail>();

  constructor(limits: TailLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.#running.size;
  }

  get isFull(): boolean {
    return this.#running.size >= this.limits.maxTails;
  }

  async run(tail: LiveTail, history: readonly LogRecord[]): Promise<void> {
    this.#running.add(tail);
    try {
      await tail.run(history);
    } finally {
      this.#running.delete(tail);
    }
  }

  end(reason: string): void {
    for (const tail of this.#running) tail.end(reason);
  }
}
