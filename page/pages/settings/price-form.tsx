// The form of one price.
// Invariant: only what was changed here is sent; an empty field means the value that weir gives it.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PriceAnswer } from '../../../src/control/admin/answers/settings-answers.ts';
import { useKeys } from '../../keys.ts';
import { Button } from '../../parts/basics.tsx';
import { Field, Refusal, useSending } from '../../parts/form.tsx';
import { typedNumber, typedTime } from '../../parts/typed.ts';

/** The price that is edited, or the model of a new one. */
export type EditedPrice = PriceAnswer | { readonly model: string };

const PATH = '/v1/prices';

const fieldsOf = (edited: EditedPrice) =>
  'id' in edited
    ? {
        model: edited.model,
        input: String(edited.input),
        cached: String(edited.cached),
        output: String(edited.output),
        reasoning: String(edited.reasoning),
        from: edited.valid_from ?? '',
      }
    : { model: edited.model, input: '', cached: '', output: '', reasoning: '', from: '' };

const NEEDED = 'Needed.';

type PriceFields = ReturnType<typeof fieldsOf>;

function problemsOf(fields: PriceFields): Partial<Record<keyof PriceFields, string>> {
  const price = (text: string): string | undefined =>
    text.trim() === '' || typedNumber(text) !== undefined ? undefined : 'Must be a number, such as 0.15.';
  const needed = (text: string): string | undefined => (text.trim() === '' ? NEEDED : price(text));
  const found: Record<string, string | undefined> = {
    input: needed(fields.input),
    cached: price(fields.cached),
    output: needed(fields.output),
    reasoning: price(fields.reasoning),
    from:
      fields.from.trim() === '' || typedTime(fields.from) !== undefined
        ? undefined
        : 'Must be a time, such as 2026-12-01.',
  };
  return Object.fromEntries(Object.entries(found).filter(([, problem]) => problem !== undefined));
}

/** The fields of the API that differ; `null` takes a value away. */
function bodyOf(fields: PriceFields, before: PriceFields): Record<string, unknown> {
  const read: Readonly<Record<keyof PriceFields, (text: string) => readonly [string, unknown]>> = {
    model: (text) => ['model', text.trim()],
    input: (text) => ['input', typedNumber(text)],
    output: (text) => ['output', typedNumber(text)],
    cached: (text) => ['cached', typedNumber(text) ?? null],
    reasoning: (text) => ['reasoning', typedNumber(text) ?? null],
    from: (text) => ['valid_from', text.trim() === '' ? null : new Date(typedTime(text)!).toISOString()],
  };
  const names = Object.keys(fields) as (keyof PriceFields)[];
  return Object.fromEntries(
    names.filter((name) => fields[name].trim() !== before[name]).map((name) => read[name](fields[name])),
  );
}

export const PriceForm = ({
  edited,
  currency,
  onClose,
  onSaved,
}: {
  readonly edited: EditedPrice;
  readonly currency: string;
  readonly onClose: () => void;
  readonly onSaved: () => void;
}): JSX.Element => {
  const old = 'id' in edited ? edited : undefined;
  const [before] = useState(() => fieldsOf(edited));
  const [fields, setFields] = useState(before);
  const sending = useSending();
  const set = (name: keyof PriceFields) => (value: string) => setFields({ ...fields, [name]: value });
  const problems = problemsOf(fields);
  /** A new form does not begin with complaints. */
  const shown = (problem: string | undefined): string | undefined =>
    old === undefined && problem === NEEDED ? undefined : problem;
  const body = bodyOf(fields, old === undefined ? fieldsOf({ model: '' }) : before);
  const why =
    fields.model.trim() === '' || Object.keys(problems).length > 0
      ? 'Some fields are missing or wrong.'
      : Object.keys(body).length === 0
        ? 'Nothing is changed.'
        : sending.isSending
          ? 'It is being saved.'
          : undefined;
  const save = async (): Promise<void> => {
    if (why !== undefined) return;
    const saved = await (old === undefined
      ? sending.send('POST', PATH, body)
      : sending.send('PATCH', `${PATH}/${encodeURIComponent(old.id)}`, body));
    if (saved) onSaved();
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
        <h2 class="el">{old === undefined ? 'New price' : old.model}</h2>
      </div>
      <div class="form">
        <Field
          label="Model, as requests name it"
          value={fields.model}
          onInput={set('model')}
          isMono
          isFirst
          hint="* stands for any characters. Names come before patterns."
        />
        <Field
          label={`Input, ${currency} per million tokens`}
          value={fields.input}
          onInput={set('input')}
          problem={shown(problems.input)}
        />
        <Field
          label="Input from a cache"
          value={fields.cached}
          onInput={set('cached')}
          problem={problems.cached}
          hint="Without it: as input."
        />
        <Field
          label="Output"
          value={fields.output}
          onInput={set('output')}
          problem={shown(problems.output)}
        />
        <Field
          label="Output for reasoning"
          value={fields.reasoning}
          onInput={set('reasoning')}
          problem={problems.reasoning}
          hint="Without it: as output."
        />
        <Field
          label="Valid from (UTC)"
          value={fields.from}
          onInput={set('from')}
          problem={problems.from}
          hint="Without it: always. With it, the earlier price of the model stays for what came before."
          placeholder="2026-12-01T00:00:00Z"
        />
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        <span class="grow" />
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" off={why}>
          Save
        </Button>
      </div>
    </form>
  );
};
