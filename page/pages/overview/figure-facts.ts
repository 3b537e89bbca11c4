// The seven figures of the overview: value, what it is compared with, and whether its rule is broken.
// Invariant: pure; what is not known is `–` or a sentence, never 0; only a broken rule has a colour.
import type { OverviewJson, VerdictPart } from '../../../src/control/admin/overview/overview-json.ts';
import { count, duration, grouped, share, text, type Figure, NONE } from '../../formats.ts';

export interface FigureFacts {
  readonly label: string;
  readonly value: Figure;
  /** The line below the value. */
  readonly sub: string;
  /** What the value was before, at the end of that line. */
  readonly change: string;
  readonly tone: 'plain' | 'warn' | 'err';
  readonly color: string;
  readonly points: readonly (number | null)[];
  /** Value at the top of the small chart, if no point is higher. */
  readonly max: number | undefined;
  /** Chart of Monitor with the same figure. */
  readonly chart: string;
}

type Figures = OverviewJson['figures'];

/** In the order in which they are shown. */
export function figuresOf(overview: OverviewJson): readonly FigureFacts[] {
  const { figures, verdict } = overview;
  const isBroken = (...rules: readonly VerdictPart['rule'][]): boolean =>
    verdict.parts.some(({ rule }) => rules.includes(rule));
  return [
    requests(figures),
    errors(figures, isBroken('errors')),
    latency(figures, isBroken('latency')),
    firstToken(figures, verdict.level !== 'ok'),
    inFlight(overview),
    waiting(figures, isBroken('refusals')),
    tokens(figures),
  ];
}

/** Tone and colour of the small chart. */
const tones = (
  isBroken: boolean,
  tone: 'warn' | 'err',
  normal = 's1',
): Pick<FigureFacts, 'tone' | 'color'> =>
  isBroken ? { tone, color: tone } : { tone: 'plain', color: normal };

function requests({ requests: of }: Figures): FigureFacts {
  const { now, before } = of;
  const percent = now === null || before === null || before === 0 ? undefined : (now / before - 1) * 100;
  return {
    label: 'Requests',
    value: now === null ? NONE : { text: text(count(now)), unit: '/s' },
    sub: `${text(count(of.count))} in the last minute`,
    // Less than 10 times as many: otherwise the percentage says little.
    change:
      percent === undefined || percent > 900
        ? ''
        : `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(0)} %`,
    ...tones(false, 'warn'),
    points: of.points,
    max: undefined,
    chart: 'requests',
  };
}

function errors({ errors: of }: Figures, isBroken: boolean): FigureFacts {
  return {
    label: 'Errors',
    value: share(of.now),
    sub:
      of.requests === 0
        ? 'no request in the last minute'
        : `${grouped(of.failed)} of ${grouped(of.requests)}`,
    change: of.before === null ? '' : `was ${text(share(of.before))}`,
    ...tones(isBroken, 'err', 's6'),
    points: of.points,
    // One failure of few requests is not a mountain.
    max: 0.02,
    chart: 'errors',
  };
}

const percentiles = (
  { p50, p99 }: { readonly p50: number | null; readonly p99: number | null },
  none: string,
): string =>
  p50 === null && p99 === null ? none : `p50 ${text(duration(p50))} · p99 ${text(duration(p99))}`;

function latency({ latency: of }: Figures, isBroken: boolean): FigureFacts {
  return {
    label: 'Latency p95',
    value: duration(of.now),
    sub: percentiles(of, 'no request in the last minute'),
    change: isBroken && of.before !== null ? `was ${text(duration(of.before))}` : '',
    ...tones(isBroken, 'warn'),
    points: of.points,
    max: undefined,
    chart: 'latency',
  };
}

/** It has no rule of its own: it is marked if it has doubled while something else is wrong. */
function firstToken({ ttft: of }: Figures, isWrong: boolean): FigureFacts {
  const isSlow = isWrong && of.now !== null && of.before !== null && of.now > 2 * of.before;
  return {
    label: 'Time to first token p95',
    value: duration(of.now),
    sub: percentiles(of, 'no stream in the last minute'),
    change: '',
    ...tones(isSlow, 'warn'),
    points: of.points,
    max: undefined,
    chart: 'ttft',
  };
}

function inFlight({ figures: { in_flight: of }, deployments }: OverviewJson): FigureFacts {
  const { now, capacity } = of;
  const ready = deployments.reduce((sum, deployment) => sum + deployment.ready, 0);
  const replicas = `${ready} ready ${ready === 1 ? 'replica' : 'replicas'}`;
  const [only, second] = deployments;
  const each = second === undefined && only !== undefined && only.target !== null ? ` × ${only.target}` : '';
  const isFull = now !== null && capacity !== null && capacity > 0 && now >= 0.9 * capacity;
  return {
    label: 'In flight',
    value:
      now === null ? NONE : { text: grouped(now), unit: `of ${capacity === null ? '∞' : grouped(capacity)}` },
    sub:
      capacity === null
        ? `${replicas}, no limit`
        : `${replicas}${each}${now === null || capacity === 0 ? '' : ` · ${Math.round((100 * now) / capacity)} % used`}`,
    change: '',
    ...tones(isFull, 'warn'),
    points: of.points,
    max: capacity ?? undefined,
    chart: 'requests',
  };
}

function waiting({ waiting: of, step_s: step }: Figures, isBroken: boolean): FigureFacts {
  const { now, longest_ms: longest, refused, points } = of;
  const last = points.findLastIndex((point) => point !== null && point > 0);
  const first = points.findIndex((point) => point !== null);
  const minutes = Math.floor(((points.length - 1 - Math.max(last, first - 1)) * step) / 60);
  const none =
    first === -1 ? '' : minutes > 1 ? `none in the last ${minutes} min` : 'none in the last minute';
  const isQueued = now !== null && now > 0;
  return {
    label: 'Queued',
    value: now === null ? NONE : { text: grouped(now), unit: '' },
    sub: [
      isQueued ? (longest === null ? '' : `longest ${text(duration(longest))}`) : none,
      refused > 0 ? `${grouped(refused)} refused` : isQueued ? 'none refused' : '',
    ]
      .filter((part) => part !== '')
      .join(' · '),
    change: '',
    ...tones(isBroken || isQueued, 'warn', 's6'),
    points,
    max: 8,
    chart: 'requests',
  };
}

function tokens({ tokens: of, cost_per_hour: cost }: Figures): FigureFacts {
  const input = of.input_now === null ? '' : `in ${text(count(of.input_now))} tokens/s`;
  return {
    label: 'Output',
    value: of.now === null ? NONE : { text: text(count(of.now)), unit: 'tokens/s' },
    sub:
      input === '' && cost.now === null
        ? 'no tokens in the last minute'
        : [input, cost.now === null ? 'price unknown' : `${perHour(cost.now, cost.currency)}/h`]
            .filter((part) => part !== '')
            .join(' · '),
    change: '',
    ...tones(false, 'warn'),
    points: of.points,
    max: undefined,
    chart: 'tokens',
  };
}

const perHour = (amount: number, currency: string): string =>
  `${currency === 'USD' ? '$' : currency} ${amount < 0.1 ? Number(amount.toPrecision(2)) : grouped(Number(amount.toFixed(2)))}`;
