// Monitor: nine charts of one question, with one filter, one division and one comparison for all.
// Invariant: the address is the state; all charts have the same time and steps; what was there stays until the new is there.
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { SeriesJson } from '../../../src/control/admin/answers/series-answers.ts';
import type { ApiError } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { duration, text } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Segments } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Failed, Loading } from '../../parts/panel.tsx';
import { Query } from '../../parts/query.tsx';
import { RangeDrop, Scope, scaleRange, setRange } from '../../parts/toolbar.tsx';
import { params, setParams, status } from '../../state.ts';
import { AgainstDrop, FieldDrop } from './by-drop.tsx';
import { ChartCard } from './chart-card.tsx';
import {
  MONITOR_SINCE,
  monitorRange,
  mostOf,
  PERCENTILES,
  percentileOf,
  seriesQuestion,
  topQuestion,
  type Percentile,
} from './monitor-question.ts';
import { Annotated } from './annotated.tsx';
import { mainCharts, type ChartFacts } from './series-view.ts';
import { TopList } from './top-list.tsx';
import { useNames } from './use-names.ts';
import './monitor.css';

const LIVE_MS = 15_000;
/** The charts that the main question answers, in their order. */
const MAIN = [
  ['requests', 'Requests'],
  ['latency', 'Latency'],
  ['ttft', 'Time to first token'],
  ['tokens', 'Tokens'],
  ['cost', 'Cost'],
  ['errors', 'Errors'],
] as const;

/** The times before each zoom, the last one at the end. */
const zoomedFrom: Readonly<Record<string, string | undefined>>[] = [];

function zoom(fromMs: number, toMs: number): void {
  const { since, start, end } = params.peek();
  zoomedFrom.push({ since, start, end });
  setRange({ fromMs: Math.round(fromMs), toMs: Math.round(toMs) });
}

/** Back to the time before the last zoom; without one, to twice the time. */
function zoomOut(): void {
  const before = zoomedFrom.pop();
  if (before !== undefined) setParams(before);
  else scaleRange(monitorRange(params.peek(), Date.now()), 2);
}

const Page = (): JSX.Element => {
  const its = params.value;
  const { q = '', by = '', env, dep, chart } = its;
  const isLive = its['live'] === '1' && its['end'] === undefined;
  const everyMs = isLive ? LIVE_MS : 0;
  const percentile = percentileOf(its);
  // The time that a question is made at: a new one only if the question is another.
  const asked = JSON.stringify([its['since'], its['start'], its['end']]);
  const nowMs = useMemo(() => Date.now(), [asked]);
  const main = useAnswer<SeriesJson>(
    seriesQuestion(its, nowMs, {
      measures: [
        'requests',
        `latency_p${percentile}`,
        `ttft_p${percentile}`,
        'output_tokens',
        'input_tokens',
        'cost',
        'errors_by_cause',
      ],
    }),
    { everyMs },
  );
  // The other questions follow, so that the charts do not wait for them.
  const names = useNames(main.asked.value.value !== undefined);
  const topBy =
    its['top'] ?? (names.metadata[0] === undefined ? 'model' : `metadata.${widest(names.metadata)}`);
  const top = useAnswer<SeriesJson>(names.isKnown ? topQuestion(its, nowMs, topBy, mostOf(its)) : undefined, {
    everyMs,
  });
  const { value, error, tookMs } = main.asked.value;
  // The percentile of the answer that is shown, which may be older than the address.
  const charts = useMemo(
    () => (value === undefined ? [] : mainCharts(value, answered(value, percentile))),
    [value],
  );
  useEffect(() => {
    status.value = value === undefined ? '' : `${charts.length} charts in ${text(duration(tookMs))}`;
    return () => void (status.value = '');
  }, [value]);
  useChosen(chart, charts);
  useKeys('monitor', {
    zoomOut,
    groupBy: () => document.querySelector<HTMLElement>('.field-by')?.click(),
  });
  return (
    <div class="mo">
      <div class="tool">
        <Scope />
        <Query
          value={q}
          scope={{ ...(env && { environment: env }), ...(dep && { deployment: dep }) }}
          problems={error?.problems ?? []}
          onAsk={(asking, isTyped) => setParams({ q: asking }, isTyped)}
        />
        <FieldDrop label="Divided by" name="by" value={by} metadata={names.metadata} hasNone />
        <AgainstDrop />
        <RangeDrop fallback={MONITOR_SINCE} />
        <Button
          icon={isLive ? 'pause' : 'play'}
          isOn={isLive}
          off={its['end'] === undefined ? undefined : 'Choose a time that ends now.'}
          label="Refreshed every 15 seconds"
          onClick={() => setParams({ live: isLive ? undefined : '1' })}
        >
          Live
        </Button>
      </div>
      <div class="wait">
        <Loading of={main} words="Measuring the requests" />
      </div>
      {value === undefined && error !== undefined && <Failed error={error} onAgain={main.again} />}
      <Notice error={value === undefined ? undefined : error} isPartial={value?.is_partial === true} />
      {(value !== undefined || error === undefined) && (
        <div class="gr">
          {MAIN.map(([id, title]) => (
            <div key={id} class="cell" id={`chart-${id}`}>
              <ChartCard
                title={title}
                facts={charts.find((one) => one.id === id)}
                onZoom={zoom}
                onZoomOut={zoomOut}
                {...(id === 'latency' ? { controls: <PercentileSwitch value={percentile} /> } : {})}
              />
            </div>
          ))}
          <Annotated names={names} nowMs={nowMs} everyMs={everyMs} onZoom={zoom} onZoomOut={zoomOut} />
          <div class="cell">
            <TopList live={top} by={topBy} metadata={names.metadata} />
          </div>
        </div>
      )}
    </div>
  );
};
export default Page;

/** What is wrong with the figures that are shown. It floats, so that no chart moves when it comes. */
const Notice = ({
  error,
  isPartial,
}: {
  readonly error: ApiError | undefined;
  readonly isPartial: boolean;
}): JSX.Element | null =>
  error === undefined && !isPartial ? null : (
    <p class="stale" role="status">
      <Icon name="warn" isSmall />
      {error === undefined
        ? 'Not all requests were measured in time: the oldest are missing. Choose a shorter time.'
        : `${error.message}. The charts show the answer before it.`}
    </p>
  );

/** The member of the metadata that most likely names people or accounts. */
const widest = (metadata: readonly string[]): string =>
  metadata.find((name) => /user|customer|account|client|tenant/i.test(name)) ?? metadata[0]!;

/** The percentile that an answer has. */
const answered = ({ measures }: SeriesJson, wanted: Percentile): Percentile =>
  PERCENTILES.find((one) => measures[`latency_p${one}`] !== undefined) ?? wanted;

const PercentileSwitch = ({ value }: { readonly value: Percentile }): JSX.Element => (
  <Segments
    label="Percentile"
    isSmall
    value={value}
    options={PERCENTILES.map((one) => [one, `p${one}`] as const)}
    onChoose={(p) => setParams({ p: p === '95' ? undefined : p })}
  />
);

/** Goes to the chart that the address names, when it is there for the first time. */
function useChosen(chart: string | undefined, charts: readonly ChartFacts[]): void {
  const gone = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (chart === undefined || charts.length === 0 || gone.current === chart) return;
    gone.current = chart;
    const card = document.getElementById(`chart-${chart}`);
    card?.scrollIntoView({ block: 'nearest' });
    card?.querySelector<HTMLElement>('.chart')?.focus({ preventScroll: true });
  }, [chart, charts]);
}
