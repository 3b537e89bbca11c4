// The row under the toolbar: how many records match, by level, and over time.
// Invariant: a brush keeps the range it was drawn in, in this entry of the history, so that it can be taken back.
import { useComputed } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { clock, grouped, msOfNs } from '../../formats.ts';
import { Num } from '../../parts/basics.tsx';
import { rangeOf, rangeQuery, spanText, type Range } from '../../parts/time-range.ts';
import type { Params } from '../../routes.ts';
import { keepHere, params, setParams, zone } from '../../state.ts';
import { graveTotals, Histogram, type HitsJson } from './histogram.tsx';
import type { LogList, TotalJson } from './log-list.ts';
import { filterQuery, scopeQuery } from './question.ts';
import { stepFor, type TimeSpan } from './time-span.ts';

/** Bars of the histogram. */
const BARS = 120;
/** A brush that is moved by keys is asked this long after the last one, in milliseconds. */
const MOVED_MS = 400;
/** How often a list that moves with the clock is counted anew while it is live. */
const LIVE_MS = 10_000;

interface OuterJson {
  readonly since?: string;
  readonly start?: string;
  readonly end?: string;
}

/** The range in which a brush was drawn, of this entry of the history. */
function outerOf(its: Params): OuterJson | undefined {
  if (its['start'] === undefined || its['end'] === undefined) return undefined;
  return (history.state as { readonly outer?: OuterJson } | null)?.outer;
}

/** Takes the brush of the address back. Returns false if there is none. */
export function clearBrush(): boolean {
  const outer = outerOf(params.peek());
  if (outer === undefined) return false;
  setParams({ since: outer.since, start: outer.start, end: outer.end });
  return true;
}

interface EventsJson {
  readonly logs: readonly { readonly timestamp_ns: string; readonly message: string }[];
}

export interface LiveRate {
  readonly perSecond: number;
  readonly count: number;
  readonly sinceMs: number;
}

export const Counts = ({
  list,
  rate,
}: {
  readonly list: LogList;
  /** Set while the list is live. */
  readonly rate: LiveRate | undefined;
}): JSX.Element => {
  const its = params.value;
  const outer = outerOf(its);
  const now = Date.now();
  const range = rangeOf(outer === undefined ? its : { ...outer }, now);
  const [pending, setPending] = useState<TimeSpan>();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    setPending(undefined);
    clearTimeout(timer.current);
  }, [its['start'], its['end'], its['since']]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const step = spanText(stepFor(range, BARS));
  const live = useAnswer<HitsJson>(
    { path: '/v1/logs/hits', query: { ...filterQuery(its), ...rangeQuery(range), step } },
    { everyMs: rate === undefined ? 0 : LIVE_MS },
  );
  const events = useAnswer<EventsJson>({
    path: '/v1/logs',
    query: {
      q: 'kind:event event:replica_ready,replica_down,replica_ejected,replica_drained,replica_resumed',
      ...scopeQuery({ ...its, kind: '' }),
      ...rangeQuery(range),
      limit: 50,
      fields: 'timestamp_ns,message',
    },
  });
  const { value: hits, error: problem } = live.asked.value;
  const shown: TimeSpan =
    hits === undefined ? range : { fromMs: Date.parse(hits.start), toMs: Date.parse(hits.end) };
  const chosen = outer === undefined ? undefined : rangeOf(its, now);

  const brush = (span: TimeSpan | undefined, isStepwise: boolean): void => {
    clearTimeout(timer.current);
    if (span === undefined) {
      setPending(undefined);
      clearBrush();
      return;
    }
    // Whole steps, so that the list has what the bars count.
    const ms = hits!.step_ms;
    const fromMs = Math.floor(span.fromMs / ms) * ms;
    const toMs = Math.max(fromMs + ms, Math.ceil(span.toMs / ms) * ms) - 1;
    setPending({ fromMs, toMs });
    const go = (): void => {
      const kept = outer ?? { since: its['since'] ?? '1h', start: its['start'], end: its['end'] };
      setParams(
        { since: undefined, start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() },
        outer !== undefined,
      );
      keepHere(
        'outer',
        kept.start === undefined ? { since: kept.since } : { start: kept.start, end: kept.end },
      );
    };
    if (isStepwise) timer.current = setTimeout(go, MOVED_MS);
    else go();
  };

  return (
    <div class="hist">
      <div class="cnt">
        <Total list={list} its={its} range={chosen ?? range} hits={hits} rate={rate} />
        {hits !== undefined && <Grave hits={hits} span={chosen} />}
        <p class="cntnote dim">
          {rate !== undefined
            ? `${grouped(rate.count)} since ${clock(rate.sinceMs, zone.value, 'seconds')}`
            : chosen !== undefined
              ? `${clock(chosen.fromMs, zone.value, 'seconds')} to ${clock(chosen.toMs + 1, zone.value, 'seconds')}, chosen`
              : ''}
        </p>
      </div>
      {hits === undefined ? (
        <div class="histbox">
          {problem !== undefined && problem.status !== 400 && <p class="dim">{problem.message}</p>}
        </div>
      ) : (
        <Histogram
          hits={hits}
          range={shown}
          brush={pending ?? chosen}
          marks={(events.asked.value.value?.logs ?? []).map(({ timestamp_ns: ns, message }) => ({
            ms: msOfNs(ns),
            text: message,
          }))}
          onBrush={brush}
        />
      )}
    </div>
  );
};

/** Matching records, of how many there are in the scope and time. */
const Total = ({
  list,
  its,
  range,
  hits,
  rate,
}: {
  readonly list: LogList;
  readonly its: Params;
  readonly range: Range;
  readonly hits: HitsJson | undefined;
  readonly rate: LiveRate | undefined;
}): JSX.Element => {
  const total = useComputed(() => list.state.value.total).value;
  const isFiltered = its['q'] !== undefined && rate === undefined;
  const all = useAnswer<{ readonly total?: TotalJson }>(
    isFiltered
      ? {
          path: '/v1/logs',
          query: { ...scopeQuery(its), ...rangeQuery(range), limit: 1, fields: 'seq', with: 'total' },
        }
      : undefined,
  ).asked.value.value?.total;
  if (rate !== undefined)
    return (
      <p class="cntnum">
        {rate.perSecond < 10 ? rate.perSecond.toFixed(1) : Math.round(rate.perSecond)} <span>a second</span>
      </p>
    );
  const counted =
    total ?? (hits === undefined ? undefined : { count: hits.total, is_exact: hits.is_partial !== true });
  const atLeast = ({ is_exact: isExact }: TotalJson): string => (isExact ? '' : 'at least ');
  const own = counted === undefined ? '' : grouped(counted.count);
  const of = isFiltered && all !== undefined ? ` of ${atLeast(all)}${grouped(all.count)}` : '';
  return (
    <p class="cntnum" role="status">
      {/* A new element for new figures, so that none moves. */}
      <b key={own + of}>
        {counted !== undefined && atLeast(counted) !== '' && <span>{atLeast(counted)}</span>}
        {counted === undefined ? <Num figure={{ text: '–', unit: '' }} /> : own}
        <span>{of}</span>
      </b>
    </p>
  );
};

/** Errors and warnings in the time of the list. */
const Grave = ({
  hits,
  span,
}: {
  readonly hits: HitsJson;
  readonly span: TimeSpan | undefined;
}): JSX.Element => {
  const of =
    span === undefined
      ? hits
      : { ...hits, hits: hits.hits.filter(({ timestamp_ms: ms }) => ms >= span.fromMs && ms <= span.toMs) };
  const { errors, warnings } = graveTotals(of);
  return (
    <p class="lev">
      <span class="err">
        error <span class="num">{grouped(errors)}</span>
      </span>
      <span class="warn">
        warn <span class="num">{grouped(warnings)}</span>
      </span>
    </p>
  );
};
