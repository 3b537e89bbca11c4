// Totals of finished exchanges, in flat arrays. Hot path: `observe` runs once for every exchange.
// Invariant: `observe` hashes nothing, allocates nothing and builds no label text; memory depends on settings only.
//
// One block per (deployment, is_async, status), found by index:
//   [ count | four histograms, each: sum, count, buckets… ]    in the order of HISTOGRAMS
// All blocks are in one SharedArrayBuffer, so that worker threads can write blocks of their own.
import type { Exchange } from '../../core/exchange/exchange.ts';
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

/** Status codes are below this: gRPC 0 to 16, HTTP 100 to 999, WebSocket close codes 1000 to 4999. */
const STATUS_LIMIT = 5000;
/** Status of the block for all codes without a block of their own. */
export const OTHER = -1;

/** The histograms of a block, in order. */
const HISTOGRAMS = ['endToEnd', 'firstByte', 'requestSize', 'responseSize'] as const;
export type HistogramName = (typeof HISTOGRAMS)[number];

/** A histogram inside a block: the index where it begins, and its bounds. */
interface Layout {
  readonly offset: number;
  readonly bounds: Float64Array;
}

/** The values of one block. */
export interface RequestTotalsReading {
  readonly deployment: number;
  readonly isAsync: boolean;
  /** The status code, or OTHER. */
  readonly status: number;
  readonly count: number;
  histogram(name: HistogramName): HistogramReading;
}

export interface RequestTotalsOptions {
  readonly deployments: number;
  readonly durationBounds: readonly number[];
  readonly sizeBounds: readonly number[];
  readonly maxStatusCodes: number;
}

export class RequestTotals {
  readonly #values: Float64Array;
  readonly #stride: number;
  readonly #layouts: Record<HistogramName, Layout>;
  /** (deployment, is_async, status) → block + 1; 0 if there is no block yet. */
  readonly #index: Uint16Array;
  /** block → status. */
  readonly #statuses: Int16Array;
  /** (deployment, is_async) → how many of its blocks have a status. */
  readonly #used: Uint16Array;
  /** Blocks per (deployment, is_async). */
  readonly #perGroup: number;

  constructor({ deployments, durationBounds, sizeBounds, maxStatusCodes }: RequestTotalsOptions) {
    const durations = Float64Array.from(durationBounds);
    const sizes = Float64Array.from(sizeBounds);
    let offset = 1;
    const layout = (bounds: Float64Array): Layout => {
      const at = offset;
      offset += sizeOf(bounds);
      return { offset: at, bounds };
    };
    this.#layouts = {
      endToEnd: layout(durations),
      firstByte: layout(durations),
      requestSize: layout(sizes),
      responseSize: layout(sizes),
    };
    this.#stride = offset;
    // One more than the limit: the block for OTHER.
    this.#perGroup = maxStatusCodes + 1;
    const groups = deployments * 2;
    this.#values = new Float64Array(new SharedArrayBuffer(groups * this.#perGroup * this.#stride * 8));
    this.#index = new Uint16Array(groups * (STATUS_LIMIT + 1));
    this.#statuses = new Int16Array(groups * this.#perGroup);
    this.#used = new Uint16Array(groups);
  }

  /** Counts a finished exchange. It must have a deployment. */
  observe(exchange: Exchange): void {
    const { endToEnd, firstByte, requestSize, responseSize } = this.#layouts;
    const group = exchange.deployment * 2 + (exchange.isAsync ? 1 : 0);
    const base = this.#block(group, exchange.status) * this.#stride;
    const values = this.#values;
    values[base]!++;
    add(values, base + endToEnd.offset, endToEnd.bounds, (exchange.endMs - exchange.startMs) / 1000);
    if (exchange.firstByteMs !== 0)
      add(
        values,
        base + firstByte.offset,
        firstByte.bounds,
        (exchange.firstByteMs - exchange.startMs) / 1000,
      );
    add(values, base + requestSize.offset, requestSize.bounds, exchange.requestBytes);
    add(values, base + responseSize.offset, responseSize.bounds, exchange.responseBytes);
  }

  /** Reads all blocks that are not empty, per group in the order in which they were made, OTHER last. */
  *read(): Generator<RequestTotalsReading> {
    for (let group = 0; group < this.#used.length; group++)
      for (let position = 0; position < this.#perGroup; position++) {
        const block = group * this.#perGroup + position;
        const base = block * this.#stride;
        if (this.#values[base] === 0) continue;
        yield {
          deployment: group >> 1,
          isAsync: (group & 1) === 1,
          status: this.#statuses[block]!,
          count: this.#values[base]!,
          histogram: (name) => {
            const { offset, bounds } = this.#layouts[name];
            return readAt(this.#values, base + offset, bounds);
          },
        };
      }
  }

  #block(group: number, status: number): number {
    // Numbers that are not a status code share the last key.
    const isCode = status >= 0 && status < STATUS_LIMIT;
    const key = group * (STATUS_LIMIT + 1) + (isCode ? status : STATUS_LIMIT);
    const known = this.#index[key]!;
    return known === 0 ? this.#newBlock(group, key, isCode ? status : OTHER) : known - 1;
  }

  #newBlock(group: number, key: number, status: number): number {
    // The last block of a group is for all statuses beyond the limit.
    const last = this.#perGroup - 1;
    const used = this.#used[group]!;
    const isOther = status === OTHER || used === last;
    const block = group * this.#perGroup + (isOther ? last : used);
    if (!isOther) this.#used[group] = used + 1;
    this.#statuses[block] = isOther ? OTHER : status;
    this.#index[key] = block + 1;
    return block;
  }
}
