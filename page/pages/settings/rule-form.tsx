// The form of a scoring rule, its test on past records, and its backfill.
// Invariant: a test stores nothing, and says so; saving keeps what the form does not know.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ask } from '../../api/client.ts';
import { grouped, share, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Button, Segments, State, Time } from '../../parts/basics.tsx';
import { change, Confirm, Field, Refusal, useSending } from '../../parts/form.tsx';
import { addressOf } from '../../routes.ts';
import {
  configOf,
  fieldsOfRule,
  GLOBAL_SCORERS,
  optionName,
  type Rule,
  type RuleFields,
  type StoredScorer,
  type TestAnswer,
  type TestedRecord,
} from './scoring-rule.ts';
import type { Project } from './tags.tsx';

const RULES = '/v1/project_score';
const pathOf = (id: string): string => `${RULES}/${encodeURIComponent(id)}`;

export const RuleForm = ({
  of: old,
  scorers,
  projects,
  onChanged,
  onClose,
}: {
  readonly of: Rule | undefined;
  readonly scorers: readonly StoredScorer[];
  readonly projects: readonly Project[];
  readonly onChanged: (id: string | undefined) => void;
  readonly onClose: () => void;
}): JSX.Element => {
  const [fields, setFields] = useState<RuleFields>(() =>
    fieldsOfRule(old, projects.find(({ id }) => id === old?.project_id)?.id ?? projects[0]?.id ?? ''),
  );
  const set = (changes: Partial<RuleFields>): void => setFields({ ...fields, ...changes });
  const sending = useSending();
  const off = missing('logs:write');
  const percent = Number(fields.percent);
  const percentProblem =
    fields.percent.trim() !== '' && percent >= 0 && percent <= 100
      ? undefined
      : 'Must be a number from 0 to 100.';
  const why =
    fields.name.trim() === ''
      ? 'Give it a name.'
      : fields.scorers.length === 0
        ? 'Choose a scorer.'
        : fields.source === 'spans' && fields.project === ''
          ? 'Choose a project.'
          : percentProblem;
  const body = (): object => ({
    name: fields.name.trim(),
    score_type: 'online',
    ...(fields.source === 'spans' ? { project_id: fields.project } : {}),
    config: { online: configOf(fields, old?.config.online) },
  });
  const save = async (): Promise<void> => {
    if (why !== undefined || off !== undefined) return;
    const made = await (old === undefined
      ? sending.send('POST', RULES, body())
      : sending.send('PATCH', pathOf(old.id), body()));
    if (made) onChanged((made.value as Rule).id);
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
        <h2 class="el">{old === undefined ? 'New rule' : old.name}</h2>
        <span class="grow" />
        <Button kind="bare" icon="close" label="Close" onClick={onClose} />
      </div>
      <div class="form">
        <Field label="Name" value={fields.name} onInput={(name) => set({ name })} placeholder="valid JSON" />
        <Scorers fields={fields} scorers={scorers} onChange={set} />
        <div class="row between">
          <span class="lbl">Scores</span>
          <Segments
            isSmall
            label="Scores"
            value={fields.source}
            options={[
              ['requests', 'Requests'],
              ['spans', 'Spans'],
            ]}
            onChoose={(source) => old === undefined && set({ source })}
          />
        </div>
        {fields.source === 'spans' && (
          <>
            <label>
              <span class="lbl">Project</span>
              <select
                class="inp"
                value={fields.project}
                disabled={old !== undefined}
                onChange={(event) => set({ project: event.currentTarget.value })}
              >
                {projects.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <label class="row">
              <input
                type="checkbox"
                checked={fields.isRootOnly}
                onChange={(event) => set({ isRootOnly: event.currentTarget.checked })}
              />
              Only root spans of traces
            </label>
          </>
        )}
        <Field
          label="Filter"
          isMono
          value={fields.filter}
          onInput={(filter) => set({ filter })}
          placeholder="path:/v1/chat/completions status:2xx"
          hint={
            fields.filter === '' ? 'Without it: all.' : 'All conditions must hold, unless OR says otherwise.'
          }
        />
        <Field
          label="Sampling rate, percent"
          value={fields.percent}
          onInput={(value) => set({ percent: value })}
          problem={percentProblem}
          hint="By the trace id, so that all rules choose the same traces."
        />
        <Refusal error={sending.error} />
      </div>
      {old !== undefined && <Backfill of={old} off={off} onChanged={() => onChanged(old.id)} />}
      <div class="formfoot">
        <span class="grow" />
        {old !== undefined && (
          <Confirm
            off={off}
            effect="Its scores stay."
            onConfirm={() =>
              void change('DELETE', pathOf(old.id)).then((isDone) => isDone && onChanged(undefined))
            }
          >
            Remove
          </Confirm>
        )}
        <Button kind="primary" type="submit" off={off ?? why}>
          Save
        </Button>
      </div>
      <Test body={body} isReady={fields.scorers.length > 0} />
    </form>
  );
};

/** The scorers of weir and the stored ones, with a field for the option that some need. */
const Scorers = ({
  fields,
  scorers,
  onChange,
}: {
  readonly fields: RuleFields;
  readonly scorers: readonly StoredScorer[];
  readonly onChange: (changes: Partial<RuleFields>) => void;
}): JSX.Element => {
  const all = [
    ...GLOBAL_SCORERS.map(([key, does]) => ({ key, name: key, does })),
    ...scorers.map(({ id, name, kind }) => ({ key: id, name, does: kind === 'judge' ? 'a judge' : 'code' })),
  ];
  return (
    <fieldset>
      <legend class="lbl">Scorers</legend>
      {all.map(({ key, name, does }) => {
        const isChosen = fields.scorers.includes(key);
        const option = optionName(key);
        return (
          <div key={key}>
            <label class="checks">
              <input
                type="checkbox"
                checked={isChosen}
                onChange={(event) =>
                  onChange({
                    scorers: event.currentTarget.checked
                      ? [...fields.scorers, key]
                      : fields.scorers.filter((one) => one !== key),
                  })
                }
              />
              <span class="mono el">{name}</span>
              <span class="mid">{does}</span>
            </label>
            {isChosen && option !== undefined && (
              <Field
                label={`${name}: ${option}`}
                isMono
                value={fields.options[key] ?? ''}
                onInput={(value) => onChange({ options: { ...fields.options, [key]: value } })}
              />
            )}
          </div>
        );
      })}
    </fieldset>
  );
};

const SHOWN_RESULTS = 8;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, one) => sum + one, 0) / values.length;

/** Scores past records with the rule as it is in the form; nothing is stored. */
const Test = ({ body, isReady }: { readonly body: () => object; readonly isReady: boolean }): JSX.Element => {
  const [result, setResult] = useState<TestAnswer | string>();
  const [isRunning, setRunning] = useState(false);
  const run = async (): Promise<void> => {
    setRunning(true);
    const answer = await ask<TestAnswer>('POST', `${RULES}/test`, { body: body() });
    setRunning(false);
    setResult(answer.ok ? answer.value : answer.error.message);
  };
  const records = typeof result === 'object' ? result.records : [];
  const scores = records.flatMap(({ scores: of }) => Object.values(of).filter((one) => one !== null));
  return (
    <>
      <div class="formfoot">
        <span class="strong">Test</span>
        <span class="dim">on up to 50 of the newest; nothing is stored</span>
        <span class="grow" />
        <Button
          isSmall
          icon="play"
          off={isReady ? (isRunning ? 'It is being tested.' : undefined) : 'Choose a scorer.'}
          onClick={() => void run()}
        >
          {isRunning ? 'Testing…' : 'Test'}
        </Button>
      </div>
      <div role="status">
        {scores.length > 0 && (
          <p class="hint pb num">
            mean {meanOf(scores).toFixed(2)} of {scores.length} scores
          </p>
        )}
        {typeof result === 'string' && <p class="hint err pb">{result}</p>}
        {typeof result === 'object' && records.length === 0 && (
          <p class="hint pb">
            Nothing matched{result.is_complete ? '' : ' in the time of a test'}: {grouped(result.examined)}{' '}
            records were examined.
          </p>
        )}
        {records.slice(0, SHOWN_RESULTS).map((record) => (
          <Tested key={record.id} record={record} />
        ))}
        {records.length > SHOWN_RESULTS && <p class="hint pb">{records.length - SHOWN_RESULTS} more</p>}
      </div>
    </>
  );
};

const Tested = ({ record }: { readonly record: TestedRecord }): JSX.Element => {
  const entries = Object.entries(record.scores);
  const values = entries.flatMap(([, score]) => (score === null ? [] : [score]));
  const error = record.results.find((one) => one.error !== undefined)?.error;
  const lowest = values.length === 0 ? undefined : Math.min(...values);
  return (
    <div class="tested">
      <State
        shape={error !== undefined ? 'err' : lowest === undefined ? 'idle' : lowest < 0.5 ? 'err' : 'ok'}
      >
        {lowest === undefined ? 'none' : lowest.toFixed(2)}
      </State>
      <Time ms={Date.parse(record.created)} />
      <span class="el mid grow">
        {error !== undefined
          ? visibleLine(error)
          : entries
              .map(([name, score]) => `${name} ${score === null ? 'none' : score.toFixed(2)}`)
              .join(', ')}
      </span>
      <a class="mono" href={addressOf({ page: 'trace', id: record.root_span_id })}>
        …{record.id.slice(-8)}
      </a>
    </div>
  );
};

const RANGES = [
  ['', 'all that is stored'],
  ['1', 'the last hour'],
  ['24', 'the last day'],
  ['168', 'the last 7 days'],
] as const;

/** Scores past records and stores the scores. */
const Backfill = ({
  of,
  off,
  onChanged,
}: {
  readonly of: Rule;
  readonly off: string | undefined;
  readonly onChanged: () => void;
}): JSX.Element => {
  const [hours, setHours] = useState('24');
  const path = `${pathOf(of.id)}/backfill`;
  const running = of.status?.backfill;
  const isRunning = running?.state === 'running';
  return (
    <div class="formfoot">
      <label class="row">
        <span class="strong">Backfill</span>
        <select
          class="inp"
          value={hours}
          disabled={isRunning}
          onChange={(event) => setHours(event.currentTarget.value)}
        >
          {RANGES.map(([value, shown]) => (
            <option key={value} value={value}>
              {shown}
            </option>
          ))}
        </select>
      </label>
      <span class="dim num grow">
        {running && `${running.state}, ${text(share(running.progress))}, ${grouped(running.scored)} scored`}
      </span>
      {isRunning ? (
        <Button isSmall icon="stop" off={off} onClick={() => void change('DELETE', path).then(onChanged)}>
          Stop
        </Button>
      ) : (
        <Confirm
          off={off}
          effect="Scores are stored, and judges cost."
          onConfirm={() =>
            void change(
              'POST',
              path,
              hours === '' ? {} : { start: new Date(Date.now() - Number(hours) * 3_600_000).toISOString() },
            ).then(onChanged)
          }
        >
          Backfill…
        </Confirm>
      )}
    </div>
  );
};
