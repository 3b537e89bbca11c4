// One chart of Monitor: its figure, its lines with their values, the same as a table or as CSV, and the card of a point.
// Invariant: the size of a card does not depend on its answer, so nothing moves when it comes.
import type { JSX } from 'preact';
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { moment } from '../../formats.ts';
import { Drop } from '../../parts/floating.tsx';
import { Chart } from '../../parts/chart.tsx';
import { Panel } from '../../parts/panel.tsx';
import { zone } from '../../state.ts';
import { useHeight } from '../../parts/use-height.ts';
import { PointCard } from './point-card.tsx';
import { csvOf, sentenceOf, type ChartFacts, type ChartLine } from './series-view.ts';

/** The step under the cursor of any chart; all charts show their values of it. */
const cursor = signal<number | undefined>(undefined);

export interface ChartCardProps {
  /** `undefined`: there is no answer yet. */
  readonly facts: ChartFacts | undefined;
  readonly title: string;
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onZoomOut: () => void;
  /** Controls beside the title. */
  readonly controls?: JSX.Element;
  /** What the content says while there is no answer: that it is awaited, or why there is none. */
  readonly instead?: JSX.Element | undefined;
}

export const ChartCard = ({
  facts,
  title,
  onZoom,
  onZoomOut,
  controls,
  instead,
}: ChartCardProps): JSX.Element => {
  const [isTable, setTable] = useState(false);
  const [point, setPoint] = useState<number | undefined>(undefined);
  const [box, height] = useHeight();
  useEffect(() => setPoint(undefined), [facts?.times]);
  const series = useMemo(
    () =>
      facts?.lines.map(({ name, points, color, isDashed = false }) => ({ name, points, color, isDashed })) ??
      [],
    [facts],
  );
  const hasValues =
    facts?.lines.some(({ points }) => points.some((one) => one !== null && one !== 0)) ?? false;
  return (
    <Panel
      class="card"
      title={facts?.title ?? title}
      sub={facts?.sub}
      side={
        <>
          {controls}
          {facts?.total !== undefined && (
            <span class="big">
              {facts.total}
              {facts.change !== undefined && (
                <span class={facts.change.isWorse ? 'chg err' : 'chg dim'}>
                  {facts.change.shape} {facts.change.text}
                </span>
              )}
            </span>
          )}
          {facts !== undefined && <CardMenu facts={facts} isTable={isTable} onTable={setTable} />}
        </>
      }
    >
      <div class="cb" ref={box}>
        {facts === undefined ? (
          instead
        ) : !hasValues ? (
          <p class="nothing">{facts.nothing}</p>
        ) : isTable ? (
          <ValueTable facts={facts} />
        ) : (
          height > 0 && (
            <Chart
              times={facts.times}
              series={series}
              height={height}
              isStacked={facts.isStacked}
              label={sentenceOf(facts)}
              format={(value) => facts.format(value).replace('\u202f', '')}
              syncKey="monitor"
              onZoom={onZoom}
              onZoomOut={onZoomOut}
              onPoint={setPoint}
              onCursor={(index) => (cursor.value = index)}
            />
          )
        )}
      </div>
      {facts !== undefined && hasValues && <Legend facts={facts} />}
      {facts !== undefined && point !== undefined && (
        <PointCard facts={facts} index={point} onClose={() => setPoint(undefined)} />
      )}
    </Panel>
  );
};

/** Names of the lines with their values: of the whole time, or of the step under the cursor. */
const Legend = ({ facts }: { readonly facts: ChartFacts }): JSX.Element => {
  const at = cursor.value;
  const valueOf = ({ points, value }: ChartLine): string => {
    const shown = at === undefined ? value : points[at];
    return shown === null || shown === undefined ? '–' : facts.format(shown);
  };
  return (
    <ul class={facts.isStacked ? 'lgd bars' : 'lgd'}>
      {facts.lines.map((line) => (
        <li key={line.name}>
          <i class={line.isDashed === true ? 'dashed' : ''} style={{ color: `var(--${line.color})` }} />
          <span class="el">{line.name}</span>
          {(at !== undefined || line.value !== undefined) && <b>{valueOf(line)}</b>}
        </li>
      ))}
    </ul>
  );
};

const CardMenu = ({
  facts,
  isTable,
  onTable,
}: {
  readonly facts: ChartFacts;
  readonly isTable: boolean;
  readonly onTable: (isTable: boolean) => void;
}): JSX.Element => (
  <Drop label={`${facts.title}: table and CSV`} icon="more" class="ib sm" isRight>
    {(close) => (
      <div class="cardmenu">
        <button
          type="button"
          onClick={() => {
            onTable(!isTable);
            close();
          }}
        >
          {isTable ? 'As a chart' : 'As a table'}
        </button>
        <button
          type="button"
          onClick={() => {
            saveCsv(facts);
            close();
          }}
        >
          Download CSV
        </button>
      </div>
    )}
  </Drop>
);

/** Hands the values to the browser as a file. */
function saveCsv(facts: ChartFacts): void {
  const url = URL.createObjectURL(new Blob([csvOf(facts)], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `weir-${facts.id}-${new Date(facts.times[0] ?? 0).toISOString().slice(0, 16).replace(':', '')}.csv`;
  link.click();
  // The browser has read it when the click returns.
  URL.revokeObjectURL(url);
}

const ValueTable = ({ facts }: { readonly facts: ChartFacts }): JSX.Element => {
  const region = useRef<HTMLDivElement>(null);
  const now = Date.now();
  useEffect(() => region.current?.focus(), []);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${facts.title}, as a table`} ref={region}>
      <table>
        <thead>
          <tr>
            <th>Time ({zone.value})</th>
            {facts.lines.map(({ name }) => (
              <th key={name} class="n">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {facts.times
            .map((ms, i) => (
              <tr key={ms}>
                <td class="num">{moment(ms, zone.value, now, 'minutes')}</td>
                {facts.lines.map(({ name, points }) => {
                  const value = points[i];
                  return (
                    <td key={name} class="n num">
                      {value === null || value === undefined ? '–' : facts.format(value)}
                    </td>
                  );
                })}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </div>
  );
};
