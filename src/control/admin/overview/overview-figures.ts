// The figures of the overview from the counts of the last hour.
// Invariant: a figure without a value is null; points are rounded to three digits, so that an answer stays small.
import type {
  OverviewClass,
  OverviewFigures,
  OverviewPercentiles,
  OverviewTraffic,
} from './overview-json.ts';
import {
  FigureSlots,
  HOUR_BEFORE,
  HOUR_SLOTS,
  LAST_HOUR,
  LAST_MINUTE,
  MINUTE_SLOTS,
  requestsOf,
  STEP_MS,
  type SlotDuration,
  type SlotFigure,
  type SlotRange,
} from './figure-slots.ts';
import { FAILED_Q } from './verdict.ts';

/** What is true at this moment. */
export interface LiveFigures {
  readonly inFlight: number;
  readonly waiting: number;
  /** Of the first queued request; null: none is queued. */
  readonly longestWaitMs: number | null;
  /** null: no limit. */
  readonly capacity: number | null;
  readonly currency: string;
}

const CLASSES: readonly OverviewClass[] = ['2xx', '4xx', '499', '5xx'];

/** Milliseconds since 1970 as nanoseconds in a text. */
export const nsText = (ms: number): string => String(BigInt(Math.round(ms)) * 1_000_000n);

/** Three digits that count. */
export function rounded(value: number | null): number | null {
  if (value === null || !Number.isFinite(value)) return null;
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

export function figuresOf(slots: FigureSlots, live: LiveFigures, nowMs: number): OverviewFigures {
  const count = (range: SlotRange) => requestsOf((figure) => slots.sum(figure, range));
  const [requests, earlier] = [count(LAST_MINUTE), count(HOUR_BEFORE)];
  const [seconds, earlierSeconds] = [slots.seconds(LAST_MINUTE, nowMs), slots.seconds(HOUR_BEFORE, nowMs)];
  const rate = (amount: number, of: number) => (of === 0 ? null : rounded(amount / of));
  const failed = slots.sum('5xx', LAST_MINUTE);
  const perSecond = (figure: SlotFigure, isKnown: boolean) => ({
    now: isKnown ? rate(slots.sum(figure, LAST_MINUTE), seconds) : null,
    before: isKnown ? rate(slots.sum(figure, HOUR_BEFORE), earlierSeconds) : null,
    points: slots.points((value, time) => (isKnown ? rounded(value(figure) / time) : null)),
  });
  const gauge = (figure: SlotFigure, now: number) => ({
    now,
    before: rounded(slots.mean(figure, HOUR_BEFORE)),
    points: slots.points((value) => value(figure)),
  });
  const hasTokens = slots.sum('hasTokens', LAST_HOUR) > 0;
  const hasCost = slots.sum('hasCost', LAST_HOUR) > 0;
  return {
    step_s: STEP_MS / 1000,
    end_ns: nsText(slots.endMs),
    requests: {
      count: requests,
      now: rate(requests, seconds),
      before: rate(earlier, earlierSeconds),
      points: slots.points((value, time) => rounded(requestsOf(value) / time)),
    },
    errors: {
      failed,
      requests,
      q: FAILED_Q,
      now: requests === 0 ? null : failed / requests,
      before: earlier === 0 ? null : slots.sum('5xx', HOUR_BEFORE) / earlier,
      points: slots.points((value) =>
        requestsOf(value) === 0 ? null : rounded(value('5xx') / requestsOf(value)),
      ),
    },
    latency: percentilesOfSlots(slots, 'latency', 'latencyP95'),
    ttft: percentilesOfSlots(slots, 'firstToken', 'firstTokenP95'),
    in_flight: { ...gauge('inFlight', live.inFlight), capacity: live.capacity },
    waiting: {
      ...gauge('waiting', live.waiting),
      longest_ms: live.longestWaitMs === null ? null : Math.round(live.longestWaitMs),
      refused: slots.sum('refused', LAST_MINUTE),
    },
    tokens: {
      ...perSecond('outputTokens', hasTokens),
      input_now: hasTokens ? rate(slots.sum('inputTokens', LAST_MINUTE), seconds) : null,
    },
    cost_per_hour: {
      now: hasCost && seconds > 0 ? rounded((slots.sum('cost', LAST_MINUTE) / seconds) * 3600) : null,
      currency: live.currency,
    },
  };
}

function percentilesOfSlots(slots: FigureSlots, kind: SlotDuration, p95: SlotFigure): OverviewPercentiles {
  const at = (p: number) => rounded(slots.percentile(kind, p, LAST_MINUTE));
  const now = at(0.95);
  return {
    p50: at(0.5),
    p95: now,
    p99: at(0.99),
    now,
    before: rounded(slots.percentile(kind, 0.95, HOUR_BEFORE)),
    points: slots.points((value) => rounded(value(p95))),
  };
}

/** Requests of each minute of the last hour; the last minute ends with the last complete slot. */
export function trafficOf(slots: FigureSlots): OverviewTraffic {
  const minutes = HOUR_SLOTS / MINUTE_SLOTS;
  const classes = Object.fromEntries(
    CLASSES.map((name) => {
      const counts = slots.points((value) => value(name));
      return [
        name,
        Array.from({ length: minutes }, (_, i) =>
          sumOfKnown(counts.slice(i * MINUTE_SLOTS, (i + 1) * MINUTE_SLOTS)),
        ),
      ];
    }),
  ) as unknown as OverviewTraffic['classes'];
  const totals = Object.fromEntries(
    CLASSES.map((name) => [name, classes[name].reduce<number>((sum, value) => sum + (value ?? 0), 0)]),
  ) as unknown as OverviewTraffic['totals'];
  return { step_s: (STEP_MS * MINUTE_SLOTS) / 1000, end_ns: nsText(slots.endMs), classes, totals };
}

/** Null if no value is known. */
const sumOfKnown = (values: readonly (number | null)[]): number | null =>
  values.reduce((sum, value) => (value === null ? sum : (sum ?? 0) + value), null);
