// The form of a scoring rule.
// Invariant: what was typed stands over the rule as it is now, and only that is sent; a name is never taken from another rule.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Button, Segments } from '../../parts/basics.tsx';
import { change, Confirm, Field, Refusal, useSending } from '../../parts/form.tsx';
import { QueryField } from '../../parts/query-field.tsx';
import { typedNumber } from '../../parts/typed.ts';
import { Backfill } from './rule-backfill.tsx';
import { RuleTest } from './rule-test.tsx';
import {
  changesOfRule,
  configOf,
  fieldsOfRule,
  GLOBAL_SCORERS,
  optionName,
  optionProblem,
  rulePath,
  RULES,
  type Rule,
  type RuleFields,
  type StoredScorer,
} from './scoring-rule.ts';
import type { Project } from './tag-json.ts';

export const RuleForm = ({
  of: old,
  rules,
  scorers,
  projects,
  onChanged,
  onClose,
}: {
  readonly of: Rule | undefined;
  /** All rules: a name is that of one. */
  readonly rules: readonly Rule[];
  readonly scorers: readonly StoredScorer[];
  readonly projects: readonly Project[];
  readonly onChanged: (id: string | undefined) => void;
  readonly onClose: () => void;
}): JSX.Element => {
  const [edits, setEdits] = useState<Partial<RuleFields>>({});
  const [queryProblems, setQueryProblems] = useState(0);
  const set = (more: Partial<RuleFields>): void => setEdits((before) => ({ ...before, ...more }));
  const fields: RuleFields = {
    ...fieldsOfRule(old, old?.project_id ?? projects[0]?.id ?? ''),
    ...edits,
  };
  const sending = useSending();
  const off = missing('logs:write');
  const percent = typedNumber(fields.percent);
  const percentProblem =
    percent !== undefined && percent <= 100 ? undefined : 'Must be a number from 0 to 100.';
  const changes = old === undefined ? undefined : changesOfRule(edits, old);
  const project = fields.source === 'spans' ? fields.project : null;
  const whyNoTest =
    fields.scorers.length === 0
      ? 'Choose a scorer.'
      : queryProblems > 0
        ? 'The filter has a problem.'
        : fields.scorers.some((one) => optionProblem(one, fields.options[one] ?? '') !== undefined)
          ? 'An option of a scorer is missing or wrong.'
          : fields.source === 'spans' && fields.project === ''
            ? 'Choose a project.'
            : percentProblem;
  const why =
    off ??
    (fields.name.trim() === '' ? 'Give it a name.' : whyNoTest) ??
    (rules.some(
      ({ id, name, project_id: its }) => id !== old?.id && name === fields.name.trim() && its === project,
    )
      ? 'A rule of this name exists.'
      : changes !== undefined && Object.keys(changes).length === 0
        ? 'Nothing is changed.'
        : sending.isSending
          ? 'It is being saved.'
          : undefined);
  const body = (): object => ({
    name: fields.name.trim(),
    score_type: 'online',
    ...(fields.source === 'spans' ? { project_id: fields.project } : {}),
    config: { online: configOf(fields, old?.config.online) },
  });
  const save = async (): Promise<void> => {
    if (why !== undefined) return;
    const made = await (old === undefined
      ? sending.send('POST', RULES, body())
      : sending.send('PATCH', rulePath(old.id), changes));
    if (!made) return;
    setEdits({});
    onChanged((made.value as Rule).id);
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
        <h2 class="el">{old === undefined ? 'New rule' : visibleLine(old.name)}</h2>
        <span class="grow" />
        <Button kind="bare" icon="close" label="Close" onClick={onClose} />
      </div>
      <div class="form">
        <Field
          label="Name"
          value={fields.name}
          onInput={(name) => set({ name })}
          placeholder="valid JSON"
          isFirst={old === undefined}
        />
        <Scorers fields={fields} scorers={scorers} onChange={set} />
        <div class="row between">
          <span class="lbl">Scores</span>
          {old === undefined ? (
            <Segments
              isSmall
              label="Scores"
              value={fields.source}
              options={[
                ['requests', 'Requests'],
                ['spans', 'Spans'],
              ]}
              onChoose={(source) => set({ source })}
            />
          ) : (
            <span class="mid">{fields.source}</span>
          )}
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
                    {visibleLine(name)}
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
        <QueryField
          label="Filter"
          value={fields.filter}
          onInput={(filter) => set({ filter })}
          onProblems={setQueryProblems}
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
              void change('DELETE', rulePath(old.id)).then((isDone) => isDone && onChanged(undefined))
            }
          >
            Remove
          </Confirm>
        )}
        <Button kind="primary" type="submit" off={why}>
          Save
        </Button>
      </div>
      <RuleTest body={body} off={whyNoTest} />
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
              <span class="mono el" title={name}>
                {visibleLine(name)}
              </span>
              <span class="mid">{does}</span>
            </label>
            {isChosen && option !== undefined && (
              <Field
                label={`${name}: ${option}`}
                isMono
                value={fields.options[key] ?? ''}
                problem={
                  fields.options[key] === undefined ? undefined : optionProblem(key, fields.options[key])
                }
                onInput={(value) => onChange({ options: { ...fields.options, [key]: value } })}
              />
            )}
          </div>
        );
      })}
    </fieldset>
  );
};
