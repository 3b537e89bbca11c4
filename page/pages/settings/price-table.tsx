// Settings, Prices: what a million tokens of a model cost, from when, and which requests have no price.
// Invariant: prices of the configuration are read only; a change is of one price, so that two tabs do not undo each other.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PriceAnswer, PricesAnswer } from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { grouped, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { change, Confirm, NewButton, SectionHead } from '../../parts/form.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { PriceForm, type EditedPrice } from './price-form.tsx';

export const PriceTable = (): JSX.Element => {
  const live = useAnswer<PricesAnswer>({ path: '/v1/prices' }, { everyMs: 30_000 });
  const [edited, setEdited] = useState<EditedPrice>();
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
          <div class={edited === undefined ? 'one' : 'two'}>
            <section class="panel">
              <PriceRows answer={answer} onEdit={setEdited} onChanged={live.again} />
            </section>
            {edited !== undefined && (
              <PriceForm
                key={'id' in edited ? edited.id : `new ${edited.model}`}
                edited={edited}
                currency={answer.currency}
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

interface RowsProps {
  readonly onEdit: (price: EditedPrice) => void;
  readonly onChanged: () => void;
}

const PriceRows = ({
  answer: { currency, prices, without_price: missing },
  onEdit,
  onChanged,
}: RowsProps & { readonly answer: PricesAnswer }): JSX.Element => (
  <>
    {prices.length === 0 ? (
      <div class="empty">No price is set, so the cost of requests is unknown.</div>
    ) : (
      <table class="cards prices">
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
            <PriceRow key={price.id} price={price} onEdit={onEdit} onChanged={onChanged} />
          ))}
        </tbody>
      </table>
    )}
    {missing.models.map(({ model, requests, last_at: last }) => (
      <div class="formfoot" key={model}>
        <span class="warn">
          <Icon name="warn" isSmall />
        </span>
        <span class="mid grow wrap">
          {grouped(requests)} requests since <Time ms={Date.parse(missing.since)} digits="minutes" /> name{' '}
          <span class="mono">{visibleLine(model)}</span>, which has no price: their cost is unknown, not 0.
          The last one was at <Time ms={Date.parse(last)} />.
        </span>
        <Button isSmall onClick={() => onEdit({ model })}>
          Add its price
        </Button>
      </div>
    ))}
  </>
);

const PriceRow = ({ price, onEdit, onChanged }: RowsProps & { readonly price: PriceAnswer }): JSX.Element => (
  <tr class={price.period === 'current' ? '' : 'dim'}>
    <td class="mono strong wrap">{price.model}</td>
    <td class="n num" data-label="In">
      {price.input}
    </td>
    <td class="n num" data-label="In, cached">
      {price.cached}
    </td>
    <td class="n num" data-label="Out">
      {price.output}
    </td>
    <td class="n num" data-label="Out, reasoning">
      {price.reasoning}
    </td>
    <td data-label="Valid from">
      <span>
        {price.valid_from === null ? 'always' : <Time ms={Date.parse(price.valid_from)} digits="minutes" />}
        {price.period !== 'current' && `, ${price.period}`}
      </span>
    </td>
    <td class="r">
      {price.source === 'config' ? (
        <span class="dim">from the configuration</span>
      ) : (
        <span class="row acts">
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
              void change('DELETE', `/v1/prices/${encodeURIComponent(price.id)}`).then(onChanged)
            }
          >
            Remove
          </Confirm>
        </span>
      )}
    </td>
  </tr>
);
