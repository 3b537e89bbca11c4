// The async queue and the exporters of the overview.
import type { ComponentChildren, JSX } from 'preact';
import type { OverviewExporter, OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { count, duration, grouped, msOfNs, share, visibleLine, type Figure } from '../../formats.ts';
import { Num, State, Time } from '../../parts/basics.tsx';
import type { ShapeName } from '../../parts/icons.tsx';
import { Empty, Panel } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';

const Fact = ({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <div>
    <dt class="k">{name}</dt>
    <dd class="v">{children}</dd>
  </div>
);

const plain = (n: number): Figure => ({ text: grouped(n), unit: '' });

export const Queue = ({ overview: { async: of } }: { readonly overview: OverviewJson }): JSX.Element => {
  const [shape, word]: readonly [ShapeName, string] =
    of.running > 0 ? ['ok', 'running'] : of.queued > 0 ? ['warn', 'waiting'] : ['idle', 'empty'];
  return (
    <Panel title="Async queue" side={<State shape={shape}>{word}</State>}>
      <dl class="aq">
        <Fact name="Queued">
          <Num figure={plain(of.queued)} />
        </Fact>
        <Fact name="Running">
          <Num figure={plain(of.running)} />
        </Fact>
        <Fact name="Oldest waits for">
          <Num figure={duration(of.oldest_ms)} />
        </Fact>
        <Fact name="First expires in">
          <Num figure={duration(of.expires_first_ms)} />
        </Fact>
        <Fact name="Webhooks delivered">
          <Num figure={share(of.webhooks_ok)} />
        </Fact>
        <Fact name="Failed tasks">
          <Num figure={plain(of.failed)} />
        </Fact>
      </dl>
    </Panel>
  );
};

const SHAPES = {
  running: 'ok',
  retrying: 'warn',
  paused: 'paused',
  disabled: 'idle',
  failed: 'err',
} as const satisfies Readonly<Record<OverviewExporter['state'], ShapeName>>;

/** More than 5 minutes behind. */
const LATE_S = 300;

export const Exporters = ({ overview: { exporters } }: { readonly overview: OverviewJson }): JSX.Element => {
  const worst = exporters.find(({ why }) => why !== '');
  const connections = addressOf({ page: 'settings', section: 'connections', id: undefined });
  return (
    <Panel
      title="Exporters"
      side={
        <a class="small" href={connections}>
          connections
        </a>
      }
    >
      {exporters.length === 0 ? (
        <Empty>
          <p>
            No connection exports records. <a href={connections}>Add a connection</a>
          </p>
        </Empty>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>To</th>
                <th>Signal</th>
                <th>State</th>
                <th class="n">Lag</th>
                <th class="n">Sent</th>
                <th class="n">Dropped</th>
              </tr>
            </thead>
            <tbody>
              {exporters.map(({ id, name, signal, state, why, lag_s: lag, sent, dropped }) => (
                <tr key={id}>
                  <td>
                    <a class="plainlink" href={addressOf({ page: 'settings', section: 'connections', id })}>
                      {name || id}
                    </a>
                  </td>
                  <td class="mid">{signal}</td>
                  <td title={visibleLine(why)}>
                    <State shape={SHAPES[state]}>{state}</State>
                  </td>
                  <td class={`n ${lag > LATE_S ? 'warn' : ''}`}>
                    <Num figure={duration(lag * 1000)} />
                  </td>
                  <td class="n">
                    <Num figure={count(sent)} />
                  </td>
                  <td class={`n ${dropped > 0 ? 'warn' : 'dim'}`}>
                    <Num figure={count(dropped)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {worst !== undefined && (
        <p class="pfoot el" title={visibleLine(worst.why)}>
          {worst.name || worst.id}: {visibleLine(worst.why)}
          {worst.since_ns !== null && (
            <>
              {' '}
              since <Time ms={msOfNs(worst.since_ns)} />
            </>
          )}
          ; {grouped(worst.waiting)} {worst.waiting === 1 ? 'record waits' : 'records wait'}
        </p>
      )}
    </Panel>
  );
};
