// Times and values of the overview's two charts.
// Invariant: pure; times are milliseconds since the epoch, ascending.
import type {
  OverviewClass,
  OverviewJson,
  OverviewScale,
} from '../../../src/control/admin/overview/overview-json.ts';
import { grouped, msOfNs } from '../../formats.ts';

const MINUTE_MS = 60_000;
const SCALE_MINUTES = 90;

/** Outcomes in the order in which bars stand on each other. */
export const CLASSES: readonly {
  readonly name: OverviewClass;
  readonly shown: string;
  readonly color: string;
  readonly q: string;
}[] = [
  { name: '2xx', shown: '2xx', color: 'bar', q: 'kind:request status:2xx' },
  { name: '4xx', shown: '4xx', color: 'warn', q: 'kind:request status:4xx -status:499' },
  { name: '499', shown: 'client disconnected', color: 'note', q: 'kind:request status:499' },
  { name: '5xx', shown: '5xx', color: 'err', q: 'kind:request status:5xx' },
];

/** Begin of each step. */
export const trafficTimes = ({ step_s: step, end_ns: end, classes }: OverviewJson['traffic']): number[] =>
  Array.from(
    { length: classes['2xx'].length },
    (_, i, { length } = classes['2xx']) => msOfNs(end) - (length - i) * step * 1000,
  );

/** A change of a replica's state. */
export interface StateMark {
  readonly ms: number;
  readonly text: string;
  readonly color?: string;
}

/** At most this many, the newest: more would hide each other. */
const MARKS = 4;

/** Changes of replicas' states within the chart; those when weir started are none. */
export function stateMarks({ replicas, traffic, weir }: OverviewJson): readonly StateMark[] {
  const from = msOfNs(traffic.end_ns) - traffic.classes['2xx'].length * traffic.step_s * 1000;
  const started = msOfNs(weir.started_ns) + MINUTE_MS;
  return replicas
    .map(({ id, state, since_ns: since }) => ({
      ms: msOfNs(since),
      text: `${id} ${state}`,
      ...(state === 'down' || state === 'ejected' ? { color: 'err' } : {}),
    }))
    .filter(({ ms, text }) => ms > from && (ms > started || !text.endsWith(' ready')))
    .sort((a, b) => a.ms - b.ms)
    .slice(-MARKS);
}

/** What the chart of traffic shows, in a sentence. */
export const trafficLabel = ({ totals }: OverviewJson['traffic']): string =>
  `Requests of the last hour by minute: ${CLASSES.map(({ name, shown }) => `${grouped(totals[name])} ${shown}`).join(', ')}.`;

/** Desired and active replicas over 90 minutes: one value at each change, and at both ends. */
export interface ScaleSteps {
  readonly times: readonly number[];
  readonly desired: readonly (number | null)[];
  readonly active: readonly (number | null)[];
}

export function scaleSteps({ history, desired, active }: OverviewScale, atNs: string): ScaleSteps {
  const now = msOfNs(atNs);
  const first = now - SCALE_MINUTES * MINUTE_MS;
  const steps = [
    ...history
      .map(([ago, ...values]) => [Math.max(first, now - ago * 1000), ...values] as const)
      .sort((a, b) => a[0] - b[0])
      // Of several at one time, the last one holds.
      .filter(([ms], i, all) => all[i + 1]?.[0] !== ms && ms < now),
    [now, desired, active] as const,
  ];
  return {
    times: steps.map(([ms]) => ms),
    desired: steps.map(([, one]) => one),
    active: steps.map(([, , one]) => one),
  };
}

/** The deployment to show first: one that has other replicas than desired, else the first. */
export const worstScale = (scale: readonly OverviewScale[]): OverviewScale | undefined =>
  scale.find(({ unmet_since_ns: since }) => since !== null) ?? scale[0];
