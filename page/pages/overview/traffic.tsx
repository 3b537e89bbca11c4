// Requests of the last hour by outcome, with marks where replicas changed their state.
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { clock, count, grouped, text } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { Chart } from '../../parts/chart.tsx';
import { Panel } from '../../parts/panel.tsx';
import { carried } from '../../commands.ts';
import { addressOf } from '../../routes.ts';
import { go, zone } from '../../state.ts';
import { CLASSES, stateMarks, trafficLabel, trafficTimes } from './time-axis.ts';
import { useHeight } from '../../parts/use-height.ts';

export const Traffic = ({ overview }: { readonly overview: OverviewJson }): JSX.Element => {
  const [isTable, setTable] = useState(false);
  const [box, height] = useHeight();
  const { traffic } = overview;
  const times = useMemo(() => trafficTimes(traffic), [traffic]);
  const series = useMemo(
    () => CLASSES.map(({ name, shown, color }) => ({ name: shown, color, points: traffic.classes[name] })),
    [traffic],
  );
  const logsAt = (fromMs: number, toMs: number): string =>
    addressOf(
      { page: 'logs' },
      {
        q: 'kind:request',
        ...carried(),
        start: new Date(fromMs).toISOString(),
        end: new Date(toMs).toISOString(),
      },
    );
  return (
    <Panel
      title="Requests a minute"
      sub="by outcome, last 60 min"
      class="traffic"
      side={
        <>
          <ul class="legend">
            {CLASSES.map(({ name, shown, color, q }) => (
              <li key={name}>
                <a href={addressOf({ page: 'logs' }, { q, ...carried() })}>
                  <i style={{ background: `var(--${color})` }} />
                  {shown} <b>{text(count(traffic.totals[name]))}</b>
                </a>
              </li>
            ))}
          </ul>
          <Button isSmall kind="quiet" isOn={isTable} onClick={() => setTable(!isTable)}>
            Table
          </Button>
        </>
      }
    >
      {isTable ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="Requests a minute">
          <table>
            <thead>
              <tr>
                <th>Minute</th>
                {CLASSES.map(({ name, shown }) => (
                  <th key={name} class="n">
                    {shown}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((ms, i) => (
                  <tr key={ms}>
                    <td class="num">{clock(ms, zone.value, 'minutes')}</td>
                    {CLASSES.map(({ name }) => {
                      const value = traffic.classes[name][i];
                      return (
                        <td key={name} class="n">
                          {value === null || value === undefined ? '–' : grouped(value)}
                        </td>
                      );
                    })}
                  </tr>
                ))
                .reverse()}
            </tbody>
          </table>
        </div>
      ) : (
        <div class="plot" ref={box}>
          {height > 0 && (
            <Chart
              times={times}
              series={series}
              height={height}
              isStacked
              label={trafficLabel(traffic)}
              marks={stateMarks(overview)}
              format={(value) => (Number.isInteger(value) ? text(count(value)).replace(' ', '') : '')}
              onZoom={(fromMs, toMs) => go(logsAt(fromMs, toMs))}
              onPoint={(i) => go(logsAt(times[i]!, times[i]! + traffic.step_s * 1000))}
            />
          )}
        </div>
      )}
    </Panel>
  );
};
