// Desired and active replicas of a deployment, the inputs of the decision, and the last 90 minutes.
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { OverviewJson, OverviewScale } from '../../../src/control/admin/overview/overview-json.ts';
import { clock, count, grouped, msOfNs, text } from '../../formats.ts';
import { Pill, Time } from '../../parts/basics.tsx';
import { Chart } from '../../parts/chart.tsx';
import { Drop, OptionList } from '../../parts/floating.tsx';
import { Empty, Panel } from '../../parts/panel.tsx';
import { spanText } from '../../parts/time-range.ts';
import { zone } from '../../state.ts';
import { scaleSteps, worstScale } from './time-axis.ts';

const CHART_HEIGHT = 128;

const Facts = ({ of, atMs }: { readonly of: OverviewScale; readonly atMs: number }): JSX.Element => (
  <dl>
    <dt>Target per replica</dt>
    <dd>{of.target === 0 ? 'no limit' : `${grouped(of.target)} × ${of.utilization_percent} %`}</dd>
    <dt>Mean over</dt>
    <dd>{spanText(of.window_s * 1000)}</dd>
    <dt>Allowed</dt>
    <dd>
      {of.min} to {of.max} replicas
    </dd>
    <dt>Scales down</dt>
    <dd>
      {of.down_in_s === null
        ? 'not now'
        : of.down_in_s === 0
          ? 'with the next decision'
          : `not before ${clock(atMs + of.down_in_s * 1000, zone.value, 'minutes')}`}
    </dd>
    {of.unmet_since_ns !== null && (
      <>
        <dt title="The desired number of replicas is not the active one">Differ since</dt>
        <dd>
          <Time ms={msOfNs(of.unmet_since_ns)} />
        </dd>
      </>
    )}
    <dt>Scaler</dt>
    <dd>
      {of.is_followed ? (
        'KEDA or Kubernetes'
      ) : (
        <span title="No scaler is set up that starts and stops replicas">none set up</span>
      )}
    </dd>
  </dl>
);

const Scale = ({ of, atNs }: { readonly of: OverviewScale; readonly atNs: string }): JSX.Element => {
  const steps = useMemo(() => scaleSteps(of, atNs), [of, atNs]);
  const series = useMemo(
    () => [
      { name: 'active', color: 's1', points: steps.active, isStepped: true, isFilled: true },
      { name: 'desired', color: 's2', points: steps.desired, isStepped: true },
    ],
    [steps],
  );
  const { desired, active } = of;
  return (
    <div class="pb">
      <div class="nums">
        <div>
          <div class="k">desired</div>
          <div class="big">{desired === null ? '–' : grouped(desired)}</div>
        </div>
        <div>
          <div class="k">active</div>
          <div
            class={`big ${desired !== null && active !== null && active < desired && of.is_followed ? 'err' : ''}`}
          >
            {active === null ? '–' : grouped(active)}
          </div>
        </div>
        <p class="mid">
          {of.per_replica > 0
            ? `${text(count(of.mean_in_flight))} in flight on average ÷ ${text(count(of.per_replica))} per replica, rounded up`
            : `${text(count(of.mean_in_flight))} in flight on average`}
        </p>
      </div>
      <Chart
        times={steps.times}
        series={series}
        height={CHART_HEIGHT}
        label={`Replicas in the last 90 minutes: ${desired ?? 'not known how many'} desired, ${active ?? 'not known how many'} active now.`}
        format={(value) => (Number.isInteger(value) ? String(value) : '')}
      />
      <ul class="legend keys">
        <li>
          <i style={{ background: 'var(--s2)' }} />
          desired
        </li>
        <li>
          <i style={{ background: 'var(--s1)' }} />
          active
        </li>
      </ul>
      <Facts of={of} atMs={msOfNs(atNs)} />
    </div>
  );
};

export const Scaling = ({ overview }: { readonly overview: OverviewJson }): JSX.Element => {
  const { scale, at_ns: at } = overview;
  const [chosen, setChosen] = useState<string>();
  const shown = scale.find(({ deployment }) => deployment === chosen) ?? worstScale(scale);
  return (
    <Panel
      title="Scaling"
      class="sc"
      side={
        <>
          {scale.length > 1 && (
            <Drop
              label="Deployment"
              class="btn sm quiet"
              isRight
              shown={<span class="el">{shown!.deployment}</span>}
            >
              {(close) => (
                <OptionList
                  label="Deployment"
                  value={shown!.deployment}
                  options={scale.map(({ deployment }) => ({ value: deployment }))}
                  onChoose={(one) => {
                    setChosen(one);
                    close();
                  }}
                />
              )}
            </Drop>
          )}
          {shown !== undefined && (
            <Pill tone={shown.unmet_since_ns !== null && shown.is_followed ? 'warn' : 'plain'}>
              {shown.reason}
            </Pill>
          )}
        </>
      }
    >
      {shown === undefined ? (
        <Empty>
          <p>No scaling decision yet.</p>
        </Empty>
      ) : (
        <Scale of={shown} atNs={at} />
      )}
    </Panel>
  );
};
