// The form of one connection: what is sent where, its state, and a test.
// Invariant: a header value is in the form only from its typing to its saving; moving the place where sending starts says
// first what it does.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ConnectionAnswer } from '../../../src/control/admin/answers/settings-answers.ts';
import { visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Segments, Switch } from '../../parts/basics.tsx';
import { change, Confirm, Field, Refusal, useSending } from '../../parts/form.tsx';
import { QueryField } from '../../parts/query-field.tsx';
import { changesOf, keepsHeaderValue, shownFields, type ConnectionEdits } from './connection-fields.ts';
import { ConnectionTester, Fitting, MovedStart, Trouble, useFitting } from './connection-parts.tsx';

const PATH = '/v1/otel/connections';

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
  const [edits, setEdits] = useState<ConnectionEdits>({});
  const [queryProblems, setQueryProblems] = useState(0);
  const sending = useSending();
  const isFixed = old?.from === 'settings';
  const path = old === undefined ? '' : `${PATH}/${encodeURIComponent(old.id)}`;
  const set = (more: ConnectionEdits): void => {
    if (!isFixed) setEdits((before) => ({ ...before, ...more }));
  };
  const fields = shownFields(old, edits);
  const changes = changesOf(old, edits);
  const isKept = keepsHeaderValue(old, fields) && edits.header_value === undefined;
  const fitting = useFitting(fields.query, fields.signal, queryProblems > 0);
  const why =
    fields.endpoint_url.trim() === ''
      ? 'Enter an endpoint.'
      : queryProblems > 0
        ? 'The filter has a problem.'
        : fields.header_name !== '' && !isKept && !edits.header_value
          ? 'Enter the value of the header.'
          : Object.keys(changes).length === 0
            ? 'Nothing is changed.'
            : sending.isSending
              ? 'It is being saved.'
              : undefined;
  const save = async (): Promise<void> => {
    if (isFixed || why !== undefined) return;
    const made = await (old === undefined
      ? sending.send('POST', PATH, changes)
      : sending.send('PATCH', path, changes));
    if (!made) return;
    setEdits({});
    onChanged((made.value as ConnectionAnswer).id);
  };
  useKeys('lists', { save: () => void save() });
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="ph">
        <h2 class="el">{old === undefined ? 'New connection' : visibleLine(old.name) || old.id}</h2>
        {old !== undefined && <span class="sub mono nmob">{old.id}</span>}
        <span class="grow" />
        {old !== undefined && (
          <Switch
            isOn={old.enabled}
            label="Sends"
            off={isFixed ? 'It comes from the configuration, and is changed there.' : undefined}
            onChange={(enabled) => void change('PATCH', path, { enabled }).then(() => onChanged(old.id))}
          />
        )}
        <Button kind="bare" icon="close" label="Close" onClick={onClose} />
      </div>
      <div class="form">
        {isFixed && <p class="hint">This connection comes from the configuration, and is changed there.</p>}
        <Field
          label="Name"
          value={fields.name}
          onInput={(name) => set({ name })}
          isReadOnly={isFixed}
          isFirst={old === undefined}
        />
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
        {isFixed || isKept || (old !== undefined && fields.header_name === '') ? (
          fields.header_name !== '' && (
            <div class="row between">
              <span class="mid">Its value is set, and never shown.</span>
              {!isFixed && (
                <Button isSmall onClick={() => set({ header_value: '' })}>
                  Replace
                </Button>
              )}
            </div>
          )
        ) : (
          <Field
            label="Value of the header"
            type="password"
            value={edits.header_value ?? ''}
            onInput={(header_value) => set({ header_value })}
            hint={
              old !== undefined && old.header_name !== '' && fields.header_name !== ''
                ? 'The value that was set is not sent to another receiver or header.'
                : undefined
            }
          />
        )}
        {isFixed ? (
          <Field label="Filter" isMono value={fields.query} onInput={() => undefined} isReadOnly />
        ) : (
          <QueryField
            label="Filter"
            value={fields.query}
            placeholder="level>=info -path:/health"
            onInput={(query) => set({ query })}
            onProblems={setQueryProblems}
            hint={<Fitting query={fields.query} fitting={fitting} />}
          />
        )}
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
            onChoose={(signal) => set({ signal })}
          />
        </div>
        <div class="row between">
          <span class="mid">Start from</span>
          <Segments
            isSmall
            label="Start from"
            value={old !== undefined && fields.start_from === old.start_from ? 'stay' : fields.start_from}
            options={[
              ...(old === undefined ? [] : ([['stay', 'Where it is']] as const)),
              ['now', 'Now'],
              ['earliest', 'Earliest'],
            ]}
            onChoose={(start) => set({ start_from: start === 'stay' ? old!.start_from : start })}
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
              onChoose={(encoding) => set({ encoding })}
            />
            <Segments
              isSmall
              label="Compression"
              value={fields.compression}
              options={[
                ['gzip', 'gzip'],
                ['none', 'none'],
              ]}
              onChoose={(compression) => set({ compression })}
            />
          </span>
        </div>
        {old !== undefined && changes['start_from'] !== undefined && (
          <MovedStart to={fields.start_from} of={old} fitting={fitting} />
        )}
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        {old !== undefined && <ConnectionTester path={path} />}
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
          <Button kind="primary" type="submit" off={why}>
            {old === undefined ? 'Make connection' : 'Save'}
          </Button>
        )}
      </div>
      {/* Below what one types into, since it comes and goes by itself. */}
      {old !== undefined && <Trouble of={old} />}
    </form>
  );
};
