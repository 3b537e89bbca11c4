// A live tail: what is stored from now on and matches, as server-sent events.
// Must stay true: one question to the record at a time, and none while the client does not read; a client goes on exactly
// where the `id` of the last event says, and one that is too slow is told how much it missed.
import type { ServerResponse } from 'node:http';
import type { LogRecord, QueryNode } from '../../../telemetry/logs/logs.ts';
import { logObject } from './record-json.ts';
import { isGone, PAGE, type LogStore } from './paged-search.ts';

/** When a client is slow, and when it is given up. */
export interface TailLimits {
  /** Places that a client may be behind. */
  readonly behind: number;
  /** How long it may take over one piece before that counts. */
  readonly patienceMs: number;
  readonly heartbeatMs: number;
  /** A client that took nothing for so long is cut off. */
  readonly stuckMs: number;
  /** Tails at a time. */
  readonly most: number;
}

export const TAIL_LIMITS: TailLimits = {
  behind: 10_000,
  patienceMs: 1000,
  heartbeatMs: 15_000,
  stuckMs: 300_000,
  most: 100,
};

/** What is written at once: more than this a client that stands still does not hold. */
const PIECE_BYTES = 256 * 1024;
/** Questions that counting what was missed may cost: a few seconds. */
const MAX_COUNT_CALLS = 400;

/** Larger than any place. */
const BEYOND = 999_999_999_999_999;

/** The newest place there is. */
export async function headOf(logs: Pick<LogStore, 'after'>): Promise<number> {
  return (await logs.after({ op: 'all' }, BEYOND, 1)).headSeq;
}

const frame = (record: LogRecord, id: number | undefined): string =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(logObject(record))}\n\n`;

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

export class LiveTail {
  readonly #logs: Pick<LogStore, 'after' | 'onStored'>;
  readonly #node: QueryNode;
  readonly #res: ServerResponse;
  readonly #limits: TailLimits;
  /** Everything up to here was given, did not match, or was said to be missed. */
  #seq: number;
  /** It was at the newest place once: from then on it is the client's fault when it is not. */
  #isLive: boolean;
  #isEnded = false;
  /** Something was stored since the record was last asked. */
  #isStale = true;
  #wake: (() => void) | undefined;
  #blockedSinceMs = 0;

  /** `seq`: where the client is; `isLive`: that is the newest place. */
  constructor(
    logs: Pick<LogStore, 'after' | 'onStored'>,
    node: QueryNode,
    res: ServerResponse,
    from: { readonly seq: number; readonly isLive: boolean },
    limits: TailLimits,
  ) {
    this.#logs = logs;
    this.#node = node;
    this.#res = res;
    this.#limits = limits;
    this.#seq = from.seq;
    this.#isLive = from.isLive;
  }

  /** Writes until the client leaves or `end` is called. `history`: records to begin with, oldest first. */
  async run(history: readonly LogRecord[]): Promise<void> {
    const res = this.#res;
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // nginx would hold events back.
      'x-accel-buffering': 'no',
    });
    const wake = () => this.#wake?.();
    const unlisten = this.#logs.onStored(() => {
      this.#isStale = true;
      wake();
    });
    res.on('close', wake);
    res.on('drain', wake);
    const heart = setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
    try {
      // Without ids: who is cut off in the midst of it gets it again, all of it.
      await this.#write(`retry: 1000\n\n${history.map((record) => frame(record, undefined)).join('')}`);
      await this.#write(this.#mark());
      while (!this.#isOver()) await this.#step();
    } catch (error) {
      // A record that cannot be read now can be read later: the client comes back with its id.
      this.end('the record could not be read');
      throw error;
    } finally {
      clearInterval(heart);
      unlisten();
    }
  }

  /** Tells the client why, and ends. */
  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!isGone(this.#res)) this.#res.end(event('end', { reason }));
    this.#wake?.();
  }

  async #step(): Promise<void> {
    if (!this.#isStale) return this.#sleep();
    this.#isStale = false;
    const { records, lastSeq, headSeq, oldestSeq } = await this.#logs.after(this.#node, this.#seq, PAGE);
    if (this.#isOver()) return;
    // Deleted for its age before the client came back.
    if (oldestSeq > this.#seq + 1) await this.#write(event('dropped', { places: oldestSeq - 1 - this.#seq }));
    const isThrough = await this.#give(records);
    if (isThrough) this.#seq = Math.max(this.#seq, lastSeq);
    if (this.#seq >= headSeq) this.#isLive = true;
    else this.#isStale = true;
  }

  /** Writes records, in pieces; false where the client was too slow for all of them. */
  async #give(records: readonly LogRecord[]): Promise<boolean> {
    let piece = '';
    for (const [i, record] of records.entries()) {
      piece += frame(record, record.seq);
      if (piece.length < PIECE_BYTES && i < records.length - 1) continue;
      this.#seq = record.seq;
      const wasReady = await this.#write(piece);
      piece = '';
      if (this.#isOver()) return false;
      // It may be far behind by now: look again instead of going on with what lay here meanwhile.
      if (!wasReady && i < records.length - 1) return false;
    }
    return true;
  }

  /** Resolves when the client is ready for more: true where it was at once. */
  async #write(text: string): Promise<boolean> {
    if (this.#isOver() || this.#res.write(text)) return true;
    const startMs = performance.now();
    this.#blockedSinceMs = startMs;
    while (this.#res.writableNeedDrain && !this.#isOver()) await this.#sleep();
    this.#blockedSinceMs = 0;
    if (!this.#isOver() && this.#isLive && performance.now() - startMs >= this.#limits.patienceMs)
      await this.#catchUp();
    return false;
  }

  /** Skips what a slow client cannot take any more, and tells it how much of it matched. */
  async #catchUp(): Promise<void> {
    const { headSeq } = await this.#logs.after({ op: 'all' }, BEYOND, 1);
    if (headSeq - this.#seq <= this.#limits.behind) return;
    const from = this.#seq;
    let at = from;
    let count = 0;
    for (let calls = 0; at < headSeq && !this.#isOver(); calls++) {
      if (calls === MAX_COUNT_CALLS) break;
      const { records, lastSeq } = await this.#logs.after(this.#node, at, PAGE);
      count += records.filter(({ seq }) => seq <= headSeq).length;
      at = lastSeq;
    }
    this.#seq = headSeq;
    const missed = at >= headSeq ? { count, places: headSeq - from } : { places: headSeq - from };
    if (!this.#isOver()) this.#res.write(`id: ${headSeq}\n${event('dropped', missed)}`);
  }

  /** A comment that keeps the connection, and moves the place from which the client would go on. */
  #beat(): void {
    if (this.#isOver()) return;
    if (!this.#res.writableNeedDrain) this.#res.write(this.#mark());
    else if (this.#blockedSinceMs > 0 && performance.now() - this.#blockedSinceMs > this.#limits.stuckMs)
      this.#res.destroy();
  }

  #mark(): string {
    return `id: ${this.#seq}\n: \n\n`;
  }

  #sleep(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #isOver(): boolean {
    return this.#isEnded || isGone(this.#res);
  }
}

/** The tails that run. Must stay true: no more than the limit, and none is left when weir stops. */
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
    return this.#running.size >= this.limits.most;
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
