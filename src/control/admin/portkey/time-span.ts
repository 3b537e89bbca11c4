// A time range that is made of several bounds, in whole milliseconds. All of them apply.
import { invalidTime, parseTime } from '../../../core/time.ts';

const NS = 1_000_000n;
const DAY_MS = 86_400_000;
const BARE_DATE = /^\d{4}-\d\d-\d\d$/;

export class TimeSpan {
  /** Inclusive, like `toMs`. */
  fromMs = 0;
  toMs = Number.MAX_SAFE_INTEGER;

  /**
   * Adds a bound; `side`: gte, gt, lte or lt. Returns what is wrong with it. A bare date is its begin, in UTC; as the end
   * of a range (lte) it is its end.
   */
  add(side: string, value: unknown): string | undefined {
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string') return 'must be a time, such as 2026-11-20T16:52:26Z';
    const ns = parseTime(text.trim());
    if (ns === undefined) return invalidTime(text);
    const floor = Number(ns / NS);
    const isWhole = ns % NS === 0n;
    if (side === 'gte') this.fromMs = Math.max(this.fromMs, isWhole ? floor : floor + 1);
    else if (side === 'gt') this.fromMs = Math.max(this.fromMs, floor + 1);
    else if (side === 'lt') this.toMs = Math.min(this.toMs, isWhole ? floor - 1 : floor);
    else this.toMs = Math.min(this.toMs, BARE_DATE.test(text.trim()) ? floor + DAY_MS - 1 : floor);
    return undefined;
  }
}
