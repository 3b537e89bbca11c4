// Adds up the records of pages by minute, without making records.
// Invariant: the totals are those of the records.
import type { LogRecord } from '../log-record.ts';
import type { MinuteTotal } from './file-reader.ts';
import type { Page } from './page.ts';
import type { Shape } from './shape.ts';

const MINUTE_MS = 60_000;

interface Total {
  readonly minute: number;
  readonly shape: Shape;
  count: number;
  durationNs: number;
}

/** Totals of a range of minutes since the epoch, both inclusive. */
export class PageMinutes {
  readonly #from: number;
  readonly #to: number;
  readonly #totals = new Map<string, Total>();

  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  add(page: Page): void {
    const keys = page.shapes.map(
      ({ kind, severity, status, deployment, environment, replica, source, pod, modelId }) =>
        JSON.stringify([kind, severity, status, deployment, environment, replica, source, pod, modelId]),
    );
    /** By shape and minute, so that the text of the key is made once for them. */
    const found = new Map<number, Total>();
    for (let row = 0; row < page.rows; row++) {
      const minute = Math.floor(page.timeMs[row]! / MINUTE_MS);
      if (minute < this.#from || minute > this.#to) continue;
      const shape = page.shape[row]!;
      const number = minute * keys.length + shape;
      let total = found.get(number);
      if (total === undefined) {
        const key = `${minute} ${keys[shape]}`;
        total = this.#totals.get(key) ?? { minute, shape: page.shapes[shape]!, count: 0, durationNs: 0 };
        this.#totals.set(key, total);
        found.set(number, total);
      }
      total.count++;
      total.durationNs += page.durationNs[row]!;
    }
  }

  result(): MinuteTotal[] {
    return Array.from(this.#totals.values(), ({ minute, shape, count, durationNs }) => {
      const { kind, severity, status, deployment, environment, replica, source, pod, modelId } = shape;
      const origin = { deployment, environment, replica, source, pod, modelId };
      const record: LogRecord = {
        ...origin,
        seq: 0,
        kind,
        timeNs: BigInt(minute) * 60_000_000_000n,
        severity,
        message: '',
        requestId: '',
        traceId: '',
        spanId: '',
        parentSpanId: '',
        status,
        durationNs: 0,
        attributes: '',
      };
      return { ...origin, minute, record, count, durationNs };
    });
  }
}
