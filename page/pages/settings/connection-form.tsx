// The form of one connection: what is sent where, its state, and a test.
// Invariant: a header value is sent only if it was typed; moving the place where sending starts asks first.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type {
  ConnectionAnswer,
  ConnectionCount,
  ConnectionTest,
} from '../../../src/control/admin/answers/settings-answers.ts';
import { ask } from '../../api/client.ts';
import { ago, duration, grouped, text, visible } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Segments, Switch, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf } from '../../routes.ts';
import { change, Confirm, Field, Refusal, useSending } from '../../parts/form.tsx';

interface Fields {
  readonly name: string;
  readonly endpoint_url: string;
  readonly signal: 'logs' | 'traces';
  readonly header_name: string;
  /** `undefined`: as it is. */
  readonly header_value: string | undefined;
  readonly query: string;
  readonly start_from: string;
  readonly encoding: string;
  readonly compression: 'gzip' | 'none';
}

const NEW: Fields = {
  name: '',
  endpoint_url: '',
  signal: 'logs',
  header_name: '',
  header_value: '',
  query: '',
  start_from: 'now',
  encoding: 'protobuf',
  compression: 'gzip',
};

const fieldsOf = (one: ConnectionAnswer): Fields => ({
  name: one.name,
  endpoint_url: one.endpoint_url,
  signal: one.signal,
  header_name: one.header_name,
  header_value: undefined,
  query: one.query,
  start_from: one.start_from,
  encoding: one.encoding,
  compression: one.compression,
});

/** Fields that differ from those of the connection. */
function changesOf(fields: Fields, old: ConnectionAnswer | undefined): Record<string, unknown> {
  const before = old === undefined ? NEW : fieldsOf(old);
  const changes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined && value !== before[name as keyof Fields]) changes[name] = value;
  return changes;
}

export const ConnectionForm = ({
  of: old,
  onChanged,
  onClose,
}: {
  readonly of: ConnectionAnswer | undefined;
  /** Is told the id that is to be shown; `undefined`: none. */
  readonly onChanged: (id: string | undefined) => void;
  readonly onClose: () => void;
}): JSX.Element => {
  const [fields, setFields] = useState<Fields>(old === undefined ? NEW : fieldsOf(old));
  const sending = useSending();
  const isFixed = old?.from === 'settings';
  const path = old === undefined ? '' : `/v1/otel/connections/${encodeURIComponent(old.id)}`;
  const set = (changes: Partial<Fields>): void => setFields({ ...fields, ...changes });
  const changes = changesOf(fields, old);
  const save = async (): Promise<void> => {
    if (isFixed) return;
    const made = await (old === undefined
      ? sending.send('POST', '/v1/otel/connections', { ...changes })
      : sending.send('PATCH', path, changes));
    if (made) onChanged((made.value as ConnectionAnswer).id);
  };
  useKeys('lists', { save: () => void save() });
  const movesStart = old !== undefined && changes['start_from'] !== undefined;
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="ph">
        <h2 class="el">{old === undefined ? 'New connection' : old.name || old.id}</h2>
        {old !== undefined && <span class="sub mono">{old.id}</span>}
        <span class="grow" />
        {old !== undefined && (
          <Switch
            isOn={old.enabled}
            label="Sends"
            off={isFixed ? 'It comes from the configuration, and is changed there.' : undefined}
            onChange={(enabled) =>
              void change('PATCH', path, { enabled }).then((isDone) => isDone && onChanged(old.id))
            }
          />
        )}
        <Button kind="bare" icon="close" label="Close" onClick={onClose} />
      </div>
      <div class="form">
        {isFixed && <p class="hint">This connection comes from the configuration, and is changed there.</p>}
        <Field label="Name" value={fields.name} onInput={(name) => set({ name })} isReadOnly={isFixed} />
        <Field
          label="Endpoint"
          isMono
          value={fields.endpoint_url}
          placeholder="https://collector:4318/v1/logs"
          onInput={(endpoint_url) => set({ endpoint_url })}
          isReadOnly={isFixed}
          hint="The whole URL. HTTP (port 4318), not gRPC (4317)."
        />
        <Field
          label="Header with the key"
          isMono
          value={fields.header_name}
          placeholder="Authorization"
          onInput={(header_name) => set({ header_name })}
          isReadOnly={isFixed}
        />
        {fields.header_value === undefined && fields.header_name !== '' ? (
          <div class="row between">
            <span class="mid">Its value is set, and never shown.</span>
            {!isFixed && (
              <Button isSmall onClick={() => set({ header_value: '' })}>
                Replace
              </Button>
            )}
          </div>
        ) : (
          !isFixed && (
            <Field
              label="Value of the header"
              type="password"
              value={fields.header_value ?? ''}
              onInput={(header_value) => set({ header_value })}
            />
          )
        )}
        <Field
          label="Filter"
          isMono
          value={fields.query}
          placeholder="level>=info -path:/health"
          onInput={(query) => set({ query })}
          isReadOnly={isFixed}
          hint={<Fitting fields={fields} />}
        />
        <div class="row between">
          <span class="mid">Signal</span>
          <Segments
            isSmall
            label="Signal"
            value={fields.signal}
            options={[
              ['logs', 'Logs'],
              ['traces', 'Traces'],
            ]}
            onChoose={(signal) => !isFixed && set({ signal })}
          />
        </div>
        <div class="row between">
          <span class="mid">Start from</span>
          <Segments
            isSmall
            label="Start from"
            value={fields.start_from === old?.start_from ? 'stay' : fields.start_from}
            options={[
              ...(old === undefined ? [] : ([['stay', 'Where it is']] as const)),
              ['now', 'Now'],
              ['earliest', 'Earliest'],
            ]}
            onChoose={(start) => !isFixed && set({ start_from: start === 'stay' ? old!.start_from : start })}
          />
        </div>
        <div class="row between">
          <span class="mid">Body</span>
          <span class="row gap4">
            <Segments
              isSmall
              label="Encoding"
              value={fields.encoding}
              options={[
                ['protobuf', 'protobuf'],
                ['json', 'json'],
              ]}
              onChoose={(encoding) => !isFixed && set({ encoding })}
            />
            <Segments
              isSmall
              label="Compression"
              value={fields.compression}
              options={[
                ['gzip', 'gzip'],
                ['none', 'none'],
              ]}
              onChoose={(compression) => !isFixed && set({ compression })}
            />
          </span>
        </div>
        {movesStart && (
          <p class="hint warn">
            {fields.start_from === 'earliest'
              ? 'All records that the store keeps are sent again.'
              : 'Records that wait are left out.'}
          </p>
        )}
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        {old !== undefined && <Test path={path} />}
        <span class="grow" />
        {old !== undefined && !isFixed && (
          <Confirm
            effect="Nothing more is sent to it."
            onConfirm={() => void change('DELETE', path).then((isDone) => isDone && onChanged(undefined))}
          >
            Remove
          </Confirm>
        )}
        {!isFixed && (
          <Button
            kind="primary"
            type="submit"
            off={
              fields.endpoint_url === ''
                ? 'Enter an endpoint.'
                : Object.keys(changes).length === 0
                  ? 'Nothing is changed.'
                  : sending.isSending
                    ? 'Saving…'
                    : undefined
            }
          >
            {old === undefined ? 'Make connection' : 'Save'}
          </Button>
        )}
      </div>
      {old !== undefined && <Trouble of={old} />}
    </form>
  );
};

/** Why nothing is accepted, if so. */
const Trouble = ({ of: { status } }: { readonly of: ConnectionAnswer }): JSX.Element | null => {
  if (
    status === undefined ||
    (status.state !== 'paused' && status.state !== 'retrying' && status.state !== 'failed')
  )
    return null;
  const { last_response: response, paused_since: since, next_try_at: next } = status;
  return (
    <div class="trouble">
      <div class="banner warn">
        <Icon name="warn" />
        <div class="grow">
          <b>
            {response === null || response.status === 0
              ? `The receiver does not respond`
              : `The receiver responds with ${response.status}`}
            {since !== '' && (
              <>
                {' '}
                since <Time ms={Date.parse(since)} />
              </>
            )}
            .
          </b>{' '}
          {status.state !== 'failed' && (
            <>
              {grouped(status.queue_records)} records wait; none is lost.{' '}
              {next !== '' && `It is tried again ${ago(Date.parse(next), Date.now())}.`}
            </>
          )}
          <div class="s2 mono">{visible(response?.text || status.last_error)}</div>
        </div>
      </div>
    </div>
  );
};

/** How many stored records the filter fits, asked half a second after the last change. */
const Fitting = ({ fields: { query, signal } }: { readonly fields: Fields }): JSX.Element => {
  const [said, setSaid] = useState<JSX.Element>();
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      void ask<ConnectionCount>('POST', '/v1/otel/connections/count', {
        body: { query, signal },
        signal: stop.signal,
      }).then((answer) => {
        if (stop.signal.aborted) return;
        setSaid(
          answer.ok ? (
            <>
              {answer.value.is_exact ? '' : 'at least '}
              {grouped(answer.value.count)} stored records match.{' '}
              <a href={addressOf({ page: 'logs' }, { q: query })}>See them</a>
            </>
          ) : (
            <span class="err">{answer.error.message}</span>
          ),
        );
      });
    }, 500);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query, signal]);
  return (
    <span class="fitting" aria-live="polite">
      {said}
    </span>
  );
};

/** Sends one record, and says what came of it. */
const Test = ({ path }: { readonly path: string }): JSX.Element => {
  const [result, setResult] = useState<ConnectionTest | string>();
  const [isTesting, setTesting] = useState(false);
  const test = async (): Promise<void> => {
    setTesting(true);
    const answer = await ask<ConnectionTest>('POST', `${path}/test`);
    setTesting(false);
    setResult(answer.ok ? answer.value : answer.error.message);
  };
  return (
    <>
      <Button icon="bolt" onClick={() => void test()} off={isTesting ? 'It is being tested.' : undefined}>
        Test
      </Button>
      <span role="status" class={typeof result === 'object' && result.ok ? 'ok' : 'err'}>
        {typeof result === 'object'
          ? `${result.status === 0 ? 'no response' : result.status} in ${text(duration(result.duration_ms))}${result.ok ? '' : `: ${visible(result.message).slice(0, 120)}`}`
          : result}
      </span>
    </>
  );
};
