// What all charts are divided by, and what they are compared with.
// Invariant: the state is the address; any attribute can be given, also one that no recent request has.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Button } from '../../parts/basics.tsx';
import { Drop, OptionList } from '../../parts/floating.tsx';
import { params, setParams } from '../../state.ts';

const FIELDS = ['model', 'replica', 'status', 'path', 'cause', 'environment', 'deployment', 'key'] as const;

/** A list of fields, and a text field for any other. */
export const FieldDrop = ({
  label,
  name,
  value,
  metadata,
  hasNone,
  class: extra = 'sel',
}: {
  readonly label: string;
  /** Parameter of the address. */
  readonly name: 'by' | 'top';
  readonly value: string;
  /** Names of members of the metadata. */
  readonly metadata: readonly string[];
  readonly hasNone: boolean;
  readonly class?: string;
}): JSX.Element => {
  const fields = [...metadata.map((one) => `metadata.${one}`), ...FIELDS];
  const options = [
    ...(hasNone ? [{ value: '', shown: 'nothing' }] : []),
    ...(value === '' || fields.includes(value) ? [] : [{ value }]),
    ...fields.map((one) => ({ value: one })),
  ];
  return (
    <Drop
      label={`${label}: ${value === '' ? 'nothing' : value}`}
      class={`${extra} field-${name}`}
      shown={
        <>
          {hasNone && <span class="k">by</span>}{' '}
          <span class={value === '' ? 'el' : 'mono el'}>{value === '' ? 'nothing' : value}</span>
        </>
      }
    >
      {(close) => {
        const choose = (chosen: string): void => {
          setParams({ [name]: chosen });
          close();
        };
        return (
          <>
            <OptionList label={label} value={value} options={options} onChoose={choose} />
            <OtherField onChoose={choose} />
          </>
        );
      }}
    </Drop>
  );
};

const OtherField = ({ onChoose }: { readonly onChoose: (field: string) => void }): JSX.Element => {
  const [text, setText] = useState('');
  return (
    <form
      class="other"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== '') onChoose(text.trim());
      }}
    >
      <input
        class="inp mono"
        aria-label="Another attribute"
        placeholder="another attribute"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit">Use</Button>
    </form>
  );
};

const AGAINST = [
  ['', 'nothing'],
  ['previous', 'the time just before'],
  ['day', 'the day before'],
  ['week', 'the week before'],
] as const;

export const AgainstDrop = (): JSX.Element => {
  const value = params.value['vs'] ?? '';
  const shown = AGAINST.find(([one]) => one === value)?.[1] ?? value;
  return (
    <Drop
      label={`Compared with: ${shown}`}
      shown={
        <>
          <span class="k">against</span> <span class="el">{shown}</span>
        </>
      }
    >
      {(close) => (
        <OptionList
          label="Compared with"
          value={value}
          options={AGAINST.map(([one, text]) => ({ value: one, shown: text }))}
          onChoose={(chosen) => {
            setParams({ vs: chosen });
            close();
          }}
        />
      )}
    </Drop>
  );
};
