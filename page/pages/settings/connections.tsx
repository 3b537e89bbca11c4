// Settings, Connections: receivers of OTLP, what they do, and a form for one of them.
// Invariant: values of headers are never shown; a connection of the configuration is changed there.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type {
  ConnectionAnswer,
  ConnectionCount,
  ConnectionList,
} from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { count, duration, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Num, State, Time } from '../../parts/basics.tsx';
import { Answered } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { go, route } from '../../state.ts';
import { ConnectionForm } from './connection-form.tsx';
import { NewButton, SectionHead } from '../../parts/form.tsx';

const EVERY_MS = 5000;

const addressOfOne = (id: string | undefined): string =>
  addressOf({ page: 'settings', section: 'connections', id });

export const Connections = (): JSX.Element => {
  const live = useAnswer<ConnectionList>(
    { path: '/v1/otel/connections', query: { with: 'status' } },
    { everyMs: EVERY_MS },
  );
  const here = route.value;
  const id = here.page === 'settings' ? here.id : undefined;
  const waiting = useWaiting(live.asked.value.value, id);
  const [isNew, setNew] = useState(false);
  const add = (): void => {
    go(addressOfOne(undefined));
    setNew(true);
  };
  useKeys('lists', { new: add });
  return (
    <>
      <SectionHead title="Connections" side={<NewButton onClick={add}>Connection</NewButton>}>
        Lines, requests and spans go to any receiver of OTLP over HTTP. Records stay in the store until their
        receiver has accepted them: one that is down loses nothing as long as the store keeps them.
      </SectionHead>
      <Answered live={live} words="Reading the connections…" everyMs={EVERY_MS}>
        {({ connections }) => {
          const found = connections.find((one) => one.id === id);
          const chosen = found && { ...found, ...(waiting && { waiting }) };
          return (
            <div class={chosen || isNew ? 'two' : 'one'}>
              <section class="panel">
                {connections.length === 0 ? (
                  <div class="empty">
                    Nothing is sent. Add a connection to an OpenTelemetry collector or a vendor.
                  </div>
                ) : (
                  <ConnectionTable
                    connections={connections}
                    chosen={chosen?.id}
                    onChoose={() => setNew(false)}
                  />
                )}
                {id !== undefined && chosen === undefined && (
                  <div class="formfoot err wrap">
                    There is no connection {visibleLine(id)}: it may have been removed.
                  </div>
                )}
              </section>
              {(chosen || isNew) && (
                <ConnectionForm
                  key={isNew ? 'new' : chosen!.id}
                  of={isNew ? undefined : chosen}
                  onChanged={(changed) => {
                    setNew(false);
                    live.again();
                    go(addressOfOne(changed), true);
                  }}
                  onClose={() => {
                    setNew(false);
                    go(addressOfOne(undefined));
                  }}
                />
              )}
            </div>
          );
        }}
      </Answered>
    </>
  );
};

/** How often the records that wait are counted, in milliseconds: counting reads the store. */
const COUNT_MS = 15_000;

/** The records that wait for the chosen connection, while its receiver takes none; `undefined`: not counted. */
function useWaiting(list: ConnectionList | undefined, id: string | undefined): ConnectionCount | undefined {
  const state = list?.connections.find((one) => one.id === id)?.status?.state;
  const { asked } = useAnswer<ConnectionList>(
    state === 'paused' || state === 'retrying'
      ? { path: '/v1/otel/connections', query: { with: 'waiting' } }
      : undefined,
    { everyMs: COUNT_MS },
  );
  return asked.value.value?.connections.find((one) => one.id === id)?.waiting;
}

/** The state of a connection in a shape and words. */
const ConnectionState = ({ of: { status, enabled } }: { readonly of: ConnectionAnswer }): JSX.Element => {
  if (!enabled) return <State shape="idle">disabled</State>;
  if (status === undefined) return <State shape="idle">unknown</State>;
  const { state, paused_since: since, next_try_at: next, last_response: response } = status;
  if (state === 'running') return <State shape="ok">running</State>;
  return (
    <>
      {state === 'paused' || state === 'retrying' ? (
        <State shape="paused">
          {state}
          {response === null || response.status < 400 ? '' : `: ${response.status}`}
        </State>
      ) : (
        <State shape={state === 'failed' ? 'err' : 'idle'}>{state}</State>
      )}
      <div class="s2">
        {since !== '' && (
          <>
            since <Time ms={Date.parse(since)} />
          </>
        )}
        {next !== '' && (
          <>
            , again <Time ms={Date.parse(next)} />
          </>
        )}
      </div>
    </>
  );
};

const ConnectionTable = ({
  connections,
  chosen,
  onChoose,
}: {
  readonly connections: readonly ConnectionAnswer[];
  readonly chosen: string | undefined;
  readonly onChoose: () => void;
}): JSX.Element => (
  <table class="cards tall sent">
    <thead>
      <tr>
        <th>Name and address</th>
        <th>Signal</th>
        <th>State</th>
        <th class="n">Lag</th>
        <th class="n">Sent</th>
        <th class="n" title="Rejected by the receiver; not sent again">
          Rejected
        </th>
        <th class="n" title="Deleted by retention before they were sent">
          Dropped
        </th>
      </tr>
    </thead>
    <tbody>
      {connections.map((one) => (
        <tr
          key={one.id}
          class={one.id === chosen ? 'cur link' : 'link'}
          onClick={() => {
            onChoose();
            go(addressOfOne(one.id));
          }}
        >
          <td>
            <a
              class="strong el"
              href={addressOfOne(one.id)}
              aria-current={one.id === chosen ? 'true' : undefined}
            >
              {visibleLine(one.name) || one.id}
            </a>
            <div class="s2 mono el" title={one.endpoint_url}>
              {visibleLine(one.endpoint_url)}
            </div>
          </td>
          <td data-label="Signal">{one.signal}</td>
          <td data-label="State">
            <div>
              <ConnectionState of={one} />
            </div>
          </td>
          <td class={`n ${(one.status?.lag_seconds ?? 0) > 300 ? 'warn' : ''}`} data-label="Lag">
            {one.status === undefined ? (
              <Num figure={count(null)} />
            ) : (
              text(duration(one.status.lag_seconds * 1000))
            )}
          </td>
          <td class="n" data-label="Sent">
            <Num figure={count(one.status?.sent)} />
          </td>
          <td class="n" data-label="Rejected">
            <Num figure={count(one.status?.rejected)} />
          </td>
          <td class="n" data-label="Dropped">
            <Num figure={count(one.status?.dropped)} />
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);
