// Totals of finished exchanges, in flat arrays. Hot path: `observe` runs once for every exchange.
// Invariant: `observe` hashes nothing, allocates nothing and builds no label text; memory depends on settings only.
//
// One block per (deployment, is_async, status), found by index:
//   [ count | four histograms, each: sum, count, buckets… ]    in the order of HISTOGRAMS
// Each thread has totals of its own, which request-totals-sum.ts adds up.
import type { Exchange } from '../../core/exchange/exchange.ts';
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

/** Status codes are below this: gRPC 0 to 16, HTTP 100 to 999, WebSocket close codes 1000 to 4999. */
const STATUS_LIMIT = 5000;
/** Status of the block for all codes without a block of their own. */
export const OTHER = -1;
/** Added to a status in `#labels`, so that 0 is none. */
const LABELED = 2;

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
  /** (deployment, is_async, status) → position of the block in its group + 1; 0 if there is no block yet. */
  readonly #index: Uint16Array;
  /** block → status + LABELED; 0 if there is no block yet. */
  readonly #labels: Int32Array;
  /** (deployment, is_async) → how many of its blocks have a status. */
  readonly #used: Uint16Array;
  /** Blocks per (deployment, is_async). */
  readonly #perGroup: number;

  /** `arrays`: memory that another thread shares, if one reads or writes these totals. */
  constructor(
    { deployments, durationBounds, sizeBounds, maxStatusCodes }: RequestTotalsOptions,
    arrays: ArraySource = privateArrays,
  ) {
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
    this.#values = arrays.float64(groups * this.#perGroup * this.#stride);
    this.#index = new Uint16Array(groups * (STATUS_LIMIT + 1));
    this.#labels = arrays.int32(groups * this.#perGroup);
    this.#used = new Uint16Array(groups);
    this.#resume();
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
    for (let block = 0; block < this.#labels.length; block++) {
      const base = block * this.#stride;
      const label = this.#labels[block]!;
      // Another thread may see a count before the status that it belongs to.
      if (this.#values[base] === 0 || label === 0) continue;
      const group = Math.floor(block / this.#perGroup);
      yield {
        deployment: group >> 1,
        isAsync: (group & 1) === 1,
        status: label - LABELED,
        count: this.#values[base]!,
        histogram: (name) => {
          const { offset, bounds } = this.#layouts[name];
          return readAt(this.#values, base + offset, bounds);
        },
      };
    }
  }

  /** Finds the blocks that an earlier thread made in the same memory. */
  #resume(): void {
    for (let block = 0; block < this.#labels.length; block++) {
      const label = this.#labels[block]!;
      if (label === 0) continue;
      const group = Math.floor(block / this.#perGroup);
      if (label !== OTHER + LABELED) this.#used[group] = (block % this.#perGroup) + 1;
      const status = label === OTHER + LABELED ? STATUS_LIMIT : label - LABELED;
      this.#index[group * (STATUS_LIMIT + 1) + status] = (block % this.#perGroup) + 1;
    }
  }

  #block(group: number, status: number): number {
    // Numbers that are not a status code share the last key.
    const isCode = status >= 0 && status < STATUS_LIMIT;
    const key = group * (STATUS_LIMIT + 1) + (isCode ? status : STATUS_LIMIT);
    const known = this.#index[key]!;
    return known === 0
      ? this.#newBlock(group, key, isCode ? status : OTHER)
      : group * this.#perGroup + known - 1;
  }

  #newBlock(group: number, key: number, status: number): number {
    // The last block of a group is for all statuses beyond the limit.
    const last = this.#perGroup - 1;
    const used = this.#used[group]!;
    const isOther = status === OTHER || used === last;
    const position = isOther ? last : used;
    const block = group * this.#perGroup + position;
    if (!isOther) this.#used[group] = used + 1;
    this.#labels[block] = (isOther ? OTHER : status) + LABELED;
    this.#index[key] = position + 1;
    return block;
  }
}
