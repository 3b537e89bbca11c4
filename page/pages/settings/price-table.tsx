// Settings, Prices: what a million tokens of a model cost, from when, and which requests have no price.
// Invariant: prices of the configuration are read only; a change of the others replaces their whole list at once.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PriceAnswer, PricesAnswer } from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { grouped } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { change, Confirm, Field, NewButton, Refusal, SectionHead, useSending } from '../../parts/form.tsx';

/** A price as the API takes it. */
interface NewPrice {
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
  readonly valid_from?: string;
}

const asGiven = ({ model, input, output, cached, reasoning, valid_from: from }: PriceAnswer): NewPrice => ({
  model,
  input,
  output,
  cached,
  reasoning,
  ...(from === null ? {} : { valid_from: from }),
});

export const PriceTable = (): JSX.Element => {
  const live = useAnswer<PricesAnswer>({ path: '/v1/prices' }, { everyMs: 30_000 });
  const [edited, setEdited] = useState<PriceAnswer | { readonly model: string }>();
  useKeys('lists', { new: () => setEdited({ model: '' }) });
  return (
    <>
      <SectionHead
        title="Prices"
        side={<NewButton onClick={() => setEdited({ model: '' })}>Price</NewButton>}
      >
        Prices per million tokens. The cost of a request is computed when it ends and stored with it: a new
        price applies to later requests only.
      </SectionHead>
      <Answered live={live} words="Reading the prices…">
        {(answer) => (
          <div class="two">
            <section class="panel">
              <PriceRows answer={answer} onEdit={setEdited} onChanged={live.again} />
            </section>
            {edited !== undefined && (
              <PriceForm
                key={'id' in edited ? edited.id : `new ${edited.model}`}
                edited={edited}
                answer={answer}
                onClose={() => setEdited(undefined)}
                onSaved={() => {
                  setEdited(undefined);
                  live.again();
                }}
              />
            )}
          </div>
        )}
      </Answered>
    </>
  );
};

const PriceRows = ({
  answer: { currency, prices, without_price: missing },
  onEdit,
  onChanged,
}: {
  readonly answer: PricesAnswer;
  readonly onEdit: (price: PriceAnswer | { readonly model: string }) => void;
  readonly onChanged: () => void;
}): JSX.Element => (
  <>
    {prices.length === 0 ? (
      <div class="empty">No price is set, so the cost of requests is unknown.</div>
    ) : (
      <table>
        <thead>
          <tr>
            <th>Model</th>
            <th class="n">In, {currency}</th>
            <th class="n">In, cached</th>
            <th class="n">Out</th>
            <th class="n">Out, reasoning</th>
            <th>Valid from</th>
            <th>
              <span class="vh">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {prices.map((price) => (
            <tr key={price.id} class={price.period === 'current' ? '' : 'dim'}>
              <td class="mono strong">{price.model}</td>
              <td class="n num">{price.input}</td>
              <td class="n num">{price.cached}</td>
              <td class="n num">{price.output}</td>
              <td class="n num">{price.reasoning}</td>
              <td>
                {price.valid_from === null ? (
                  'always'
                ) : (
                  <Time ms={Date.parse(price.valid_from)} digits="minutes" />
                )}
                {price.period !== 'current' && `, ${price.period}`}
              </td>
              <td class="r">
                {price.source === 'config' ? (
                  <span class="dim">from the configuration</span>
                ) : (
                  <>
                    <Button
                      isSmall
                      kind="quiet"
                      label={`Edit the price of ${price.model}`}
                      onClick={() => onEdit(price)}
                    >
                      Edit
                    </Button>
                    <Confirm
                      label={`Remove the price of ${price.model}`}
                      effect="It no longer applies to requests that end from now on."
                      onConfirm={() =>
                        void change('PUT', '/v1/prices', {
                          prices: prices
                            .filter((one) => one.source === 'api' && one.id !== price.id)
                            .map(asGiven),
                        }).then((isDone) => isDone && onChanged())
                      }
                    >
                      Remove
                    </Confirm>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    )}
    {missing.models.map(({ model, requests, last_at: last }) => (
      <div class="formfoot" key={model}>
        <span class="warn">
          <Icon name="warn" isSmall />
        </span>
        <span class="mid grow">
          {grouped(requests)} requests since <Time ms={Date.parse(missing.since)} digits="minutes" /> name{' '}
          <span class="mono">{model}</span>, which has no price: their cost is unknown, not 0. The last one
          was at <Time ms={Date.parse(last)} />.
        </span>
        <Button isSmall onClick={() => onEdit({ model })}>
          Add its price
        </Button>
      </div>
    ))}
  </>
);

const PriceForm = ({
  edited,
  answer,
  onClose,
  onSaved,
}: {
  readonly edited: PriceAnswer | { readonly model: string };
  readonly answer: PricesAnswer;
  readonly onClose: () => void;
  readonly onSaved: () => void;
}): JSX.Element => {
  const old = 'id' in edited ? edited : undefined;
  const [fields, setFields] = useState({
    model: edited.model,
    input: old === undefined ? '' : String(old.input),
    cached: old === undefined ? '' : String(old.cached),
    output: old === undefined ? '' : String(old.output),
    reasoning: old === undefined ? '' : String(old.reasoning),
    from: old?.valid_from ?? '',
  });
  const sending = useSending();
  const set = (name: keyof typeof fields) => (value: string) => setFields({ ...fields, [name]: value });
  const problemOf = (
    name: 'input' | 'cached' | 'output' | 'reasoning',
    isNeeded: boolean,
  ): string | undefined => {
    const text = fields[name].trim();
    if (text === '') return isNeeded ? 'Needed.' : undefined;
    return Number(text) >= 0 ? undefined : 'Must be a number, at least 0.';
  };
  const problems = [
    problemOf('input', true),
    problemOf('cached', false),
    problemOf('output', true),
    problemOf('reasoning', false),
    fields.from !== '' && Number.isNaN(Date.parse(fields.from))
      ? 'Must be a time, such as 2026-12-01.'
      : undefined,
  ];
  const canSave = fields.model.trim() !== '' && problems.every((one) => one === undefined);
  const save = async (): Promise<void> => {
    if (!canSave) return;
    const number = (text: string): number => Number(text);
    const price = {
      model: fields.model.trim(),
      input: number(fields.input),
      output: number(fields.output),
      ...(fields.cached.trim() === '' ? {} : { cached: number(fields.cached) }),
      ...(fields.reasoning.trim() === '' ? {} : { reasoning: number(fields.reasoning) }),
      ...(fields.from === '' ? {} : { valid_from: new Date(fields.from).toISOString() }),
    };
    const others = answer.prices.filter(({ source }) => source === 'api');
    const prices = old
      ? others.map((one) => (one.id === old.id ? price : asGiven(one)))
      : [...others.map(asGiven), price];
    if (await sending.send('PUT', '/v1/prices', { prices })) onSaved();
  };
  useKeys('lists', { save: () => void save() });
  const [input, cached, output, reasoning, from] = problems;
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="ph">
        <h2>{old === undefined ? 'New price' : old.model}</h2>
      </div>
      <div class="form">
        <Field
          label="Model, as requests name it"
          value={fields.model}
          onInput={set('model')}
          isMono
          hint="* stands for any characters. Names come before patterns."
        />
        <Field
          label={`Input, ${answer.currency} per million tokens`}
          value={fields.input}
          onInput={set('input')}
          problem={input}
        />
        <Field
          label="Input from a cache"
          value={fields.cached}
          onInput={set('cached')}
          problem={cached}
          hint="Without it: as input."
        />
        <Field label="Output" value={fields.output} onInput={set('output')} problem={output} />
        <Field
          label="Output for reasoning"
          value={fields.reasoning}
          onInput={set('reasoning')}
          problem={reasoning}
          hint="Without it: as output."
        />
        <Field
          label="Valid from"
          value={fields.from}
          onInput={set('from')}
          problem={from}
          hint="Without it: always."
          placeholder="2026-12-01T00:00:00Z"
        />
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        <span class="grow" />
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" off={canSave ? undefined : 'Some fields are missing or wrong.'}>
          Save
        </Button>
      </div>
    </form>
  );
};
