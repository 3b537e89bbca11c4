// GET /v1/overview for all viewers: one snapshot at most once a second, made when it is asked for.
// Invariant: without a viewer nothing is computed but the counts of overview-meter.ts, and compression never runs on
// the forwarding thread.
//   overview-meter.ts     counts requests as they end        overview-snapshot.ts  one snapshot
//   verdict.ts            rules over a snapshot              verdict-text.ts       their sentences
//   overview-json.ts      the answer                         overview-sources.ts   what is read of other modules
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { NextToExpire } from '../../../async/queue/queue.ts';
import type { Component } from '../../../core/lifecycle.ts';
import type { Exchange, Observer } from '../../../core/exchange/exchange.ts';
import { TIMED_OUT, waitAtMost } from '../../../core/wait.ts';
import type { OverviewJson } from './overview-json.ts';
import { OverviewMeter } from './overview-meter.ts';
import { overviewOf, withoutUrls } from './overview-snapshot.ts';
import type { OverviewSources } from './overview-sources.ts';
import type { OverviewReport } from './overview-tally.ts';

const LIFE_MS = 1000;
/** Longest wait for the queue, which may be in another process. */
const QUEUE_MS = 100;

/** An encoded snapshot. */
export interface EncodedOverview {
  /** With quotes, as in the header. */
  readonly etag: string;
  readonly body: string;
  readonly gzipped: Buffer;
}

const compress = promisify(gzip);

export class Overview implements Component, Observer {
  readonly name = 'overview';
  readonly #sources: OverviewSources;
  readonly #meter: OverviewMeter;
  readonly #now: () => number;
  #snapshot: Snapshot | undefined;
  #running: Promise<Snapshot> | undefined;
  #count = 0;

  /** `now`: milliseconds since 1970, for tests. */
  constructor(sources: OverviewSources, now = () => Date.now()) {
    this.#sources = sources;
    this.#meter = new OverviewMeter(sources, now);
    this.#now = now;
  }

  /** When weir started, in milliseconds since 1970. */
  get startedMs(): number {
    return this.#meter.startedMs;
  }

  start(): void {
    this.#meter.start();
  }

  stop(): void {
    this.#meter.stop();
  }

  closed(exchange: Exchange): void {
    this.#meter.closed(exchange);
  }

  /** Counts requests that have ended in another thread. */
  report(report: OverviewReport): void {
    this.#meter.report(report);
  }

  /** The snapshot of this second. `hasUrls`: with the addresses of replicas. */
  async encoded(hasUrls: boolean): Promise<EncodedOverview> {
    const snapshot = await this.#current();
    return hasUrls ? snapshot.full() : snapshot.short();
  }

  #current(): Promise<Snapshot> {
    const age = this.#snapshot === undefined ? Infinity : this.#now() - this.#snapshot.atMs;
    if (age >= 0 && age < LIFE_MS) return Promise.resolve(this.#snapshot!);
    this.#running ??= this.#make().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #make(): Promise<Snapshot> {
    const next = await this.#nextToExpire();
    const nowMs = this.#now();
    this.#meter.measure();
    const overview = overviewOf(this.#sources, this.#meter, next, nowMs);
    const tag = `${this.startedMs.toString(36)}-${(++this.#count).toString(36)}`;
    this.#snapshot = new Snapshot(nowMs, tag, overview);
    return this.#snapshot;
  }

  /** The queue is not asked while it has no tasks, and not waited for while it cannot be read. */
  async #nextToExpire(): Promise<NextToExpire | undefined> {
    const { pool, asyncDepth, nextToExpire } = this.#sources;
    if (pool.deployments.every(({ options }) => asyncDepth(options.id).queued === 0)) return undefined;
    const next = await waitAtMost(
      QUEUE_MS,
      nextToExpire().catch(() => undefined),
    );
    return next === TIMED_OUT ? undefined : next;
  }
}

/** One snapshot, encoded when it is first asked for. */
class Snapshot {
  readonly atMs: number;
  readonly #tag: string;
  readonly #overview: OverviewJson;
  #full: Promise<EncodedOverview> | undefined;
  #short: Promise<EncodedOverview> | undefined;

  constructor(atMs: number, tag: string, overview: OverviewJson) {
    this.atMs = atMs;
    this.#tag = tag;
    this.#overview = overview;
  }

  full(): Promise<EncodedOverview> {
    return (this.#full ??= encode(`"${this.#tag}-f"`, this.#overview));
  }

  short(): Promise<EncodedOverview> {
    return (this.#short ??= encode(`"${this.#tag}"`, withoutUrls(this.#overview)));
  }
}

async function encode(etag: string, overview: object): Promise<EncodedOverview> {
  const body = `${JSON.stringify(overview)}\n`;
  return { etag, body, gzipped: await compress(body) };
}
