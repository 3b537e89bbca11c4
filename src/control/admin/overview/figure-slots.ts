// Counts of the last hour in slots of 15 seconds, in flat arrays. Hot path: `add`, `addLatency`, `addFirstToken`.
// Invariant: memory does not grow; a slot in which weir did not run, or the clock jumped over, is unknown, not 0.
import { bucketOf, BUCKETS, percentileMs } from './duration-buckets.ts';

export const STEP_MS = 15_000;
/** Slots of the last minute, and of the hour that is shown. */
export const MINUTE_SLOTS = 4;
export const HOUR_SLOTS = 240;
/** The current slot, the minute before it, and the hour before that. */
const SLOTS = 1 + MINUTE_SLOTS + HOUR_SLOTS;

/** What is counted or measured in each slot. */
const FIGURES = [
  '2xx',
  '4xx',
  '499',
  '5xx',
  'refused',
  'inputTokens',
  'outputTokens',
  'hasTokens',
  'cost',
  'hasCost',
  'inFlight',
  'waiting',
  'webhooks',
  'webhooksOk',
  'tasksFailed',
  'recordsLost',
  'latencyP95',
  'firstTokenP95',
] as const;
export type SlotFigure = (typeof FIGURES)[number];
/** Number of figures. */
export const COLUMNS = FIGURES.length;
const COLUMN = Object.fromEntries(FIGURES.map((name, i) => [name, i])) as Record<SlotFigure, number>;
/** The number of a figure, for `add`, which is called for every request. */
export const columnOf = (figure: SlotFigure): number => COLUMN[figure];

export type SlotDuration = 'latency' | 'firstToken';

/** A range of slots, counted back from the current one, which is 0. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
}
/** The current slot and the minute before it. */
export const LAST_MINUTE: SlotRange = { from: 0, to: MINUTE_SLOTS };
export const HOUR_BEFORE: SlotRange = { from: MINUTE_SLOTS + 1, to: MINUTE_SLOTS + HOUR_SLOTS };
/** The hour until now. */
export const LAST_HOUR: SlotRange = { from: 0, to: HOUR_SLOTS };

export class FigureSlots {
  readonly #values = new Float64Array(SLOTS * COLUMNS);
  readonly #latency = new Uint32Array(SLOTS * BUCKETS);
  readonly #firstToken = new Uint32Array(SLOTS * BUCKETS);
  /** Milliseconds of each slot in which weir ran; 0: unknown. */
  readonly #coveredMs = new Float64Array(SLOTS);
  /** Number of the current slot since 1970. */
  #slot: number;
  /** When the current slot began for weir. */
  #begunMs: number;
  /** Position of the current slot in the arrays. */
  #at = 0;
  /** Where its figures begin. */
  #row = 0;

  /** `nowMs`: milliseconds since 1970, here and below. */
  constructor(nowMs: number) {
    this.#slot = Math.floor(nowMs / STEP_MS);
    this.#begunMs = nowMs;
  }

  /** `column`: of `columnOf`. */
  add(column: number, amount: number): void {
    this.#values[this.#row + column]! += amount;
  }

  set(figure: SlotFigure, value: number): void {
    this.#values[this.#row + COLUMN[figure]] = value;
  }

  addLatency(ms: number): void {
    this.#latency[this.#at * BUCKETS + bucketOf(ms)]!++;
  }

  /** `counts`: by bucket. */
  addLatencies(counts: Uint32Array): void {
    const base = this.#at * BUCKETS;
    for (let i = 0; i < BUCKETS; i++) this.#latency[base + i]! += counts[i]!;
  }

  addFirstToken(ms: number): void {
    this.#firstToken[this.#at * BUCKETS + bucketOf(ms)]!++;
  }

  /** Begins a new slot if it is time. A clock that goes back changes nothing. */
  advance(nowMs: number): void {
    const slot = Math.floor(nowMs / STEP_MS);
    const steps = slot - this.#slot;
    if (steps <= 0) return;
    this.set('latencyP95', this.percentile('latency', 0.95, { from: 0, to: 0 }) ?? NaN);
    this.set('firstTokenP95', this.percentile('firstToken', 0.95, { from: 0, to: 0 }) ?? NaN);
    this.#coveredMs[this.#at] = Math.min(STEP_MS, (this.#slot + 1) * STEP_MS - this.#begunMs);
    for (let i = 0; i < Math.min(steps, SLOTS); i++) {
      this.#at = (this.#at + 1) % SLOTS;
      this.#row = this.#at * COLUMNS;
      this.#values.fill(0, this.#row, this.#row + COLUMNS);
      for (const counts of [this.#latency, this.#firstToken])
        counts.fill(0, this.#at * BUCKETS, (this.#at + 1) * BUCKETS);
      this.#coveredMs[this.#at] = 0;
    }
    this.#slot = slot;
    this.#begunMs = slot * STEP_MS;
  }

  /** End of the last complete slot, in milliseconds since 1970. */
  get endMs(): number {
    return this.#slot * STEP_MS;
  }

  /** Seconds of a range in which weir ran. */
  seconds(range: SlotRange, nowMs: number): number {
    let ms = range.from === 0 ? Math.max(0, nowMs - this.#begunMs) : 0;
    for (let back = Math.max(1, range.from); back <= range.to; back++)
      ms += this.#coveredMs[this.#index(back)]!;
    return ms / 1000;
  }

  sum(figure: SlotFigure, { from, to }: SlotRange): number {
    let sum = 0;
    for (let back = from; back <= to; back++) sum += this.#value(figure, back);
    return sum;
  }

  /** Mean of a figure that is measured once in each slot; null if no slot of the range is known. */
  mean(figure: SlotFigure, { from, to }: SlotRange): number | null {
    let [sum, known] = [0, 0];
    for (let back = Math.max(1, from); back <= to; back++) {
      if (!this.#isKnown(back)) continue;
      sum += this.#value(figure, back);
      known++;
    }
    return known === 0 ? null : sum / known;
  }

  percentile(kind: SlotDuration, p: number, { from, to }: SlotRange): number | null {
    const all = kind === 'latency' ? this.#latency : this.#firstToken;
    const sums = new Float64Array(BUCKETS);
    for (let back = from; back <= to; back++) {
      const base = this.#index(back) * BUCKETS;
      for (let i = 0; i < BUCKETS; i++) sums[i]! += all[base + i]!;
    }
    return percentileMs(sums, p);
  }

  /** One value for each complete slot of the last hour, the oldest first; `of` is called for known slots only. */
  points(of: (value: (figure: SlotFigure) => number, seconds: number) => number | null): (number | null)[] {
    const points: (number | null)[] = [];
    for (let back = HOUR_SLOTS; back >= 1; back--) {
      const seconds = this.#coveredMs[this.#index(back)]! / 1000;
      points.push(this.#isKnown(back) ? of((figure) => this.#value(figure, back), seconds) : null);
    }
    return points;
  }

  /**
   * Since when, without a gap, `holds` is true for each slot that has requests, back from the current one; in
   * milliseconds since 1970, to a slot, and not before weir ran. `undefined`: it is not true of the newest slot that has
   * requests.
   */
  since(holds: (value: (figure: SlotFigure) => number) => boolean): number | undefined {
    let sinceMs: number | undefined;
    for (let back = 0; back <= HOUR_SLOTS; back++) {
      const value = (figure: SlotFigure) => this.#value(figure, back);
      if (back > 0 && !this.#isKnown(back)) break;
      if (requestsOf(value) === 0) continue;
      if (!holds(value)) break;
      const coveredMs = this.#coveredMs[this.#index(back)]!;
      sinceMs = back === 0 ? this.#begunMs : (this.#slot - back + 1) * STEP_MS - coveredMs;
    }
    return sinceMs;
  }

  #index(back: number): number {
    return (this.#at - back + SLOTS) % SLOTS;
  }

  #isKnown(back: number): boolean {
    return this.#coveredMs[this.#index(back)]! > 0;
  }

  #value(figure: SlotFigure, back: number): number {
    return this.#values[this.#index(back) * COLUMNS + COLUMN[figure]]!;
  }
}

/** All requests of a slot. */
export const requestsOf = (value: (figure: SlotFigure) => number): number =>
  value('2xx') + value('4xx') + value('499') + value('5xx');
