// The keys of the page, and the switch for single ones.
// Invariant: it shows the table that the keys are taken from, so it is never out of date.
import type { JSX } from 'preact';
import { hasSingleKeys, KEY_ROWS, setSingleKeys, shownKey, type KeyPlace } from '../../keys.ts';
import { Switch } from '../../parts/basics.tsx';
import { Dialog } from '../../parts/floating.tsx';
import { isHelpOpen } from '../../state.ts';
import './find.css';

const PLACES: readonly (readonly [KeyPlace, string])[] = [
  ['everywhere', 'Everywhere'],
  ['logs', 'Logs'],
  ['request', 'Request'],
  ['monitor', 'Monitor'],
  ['lists', 'Exports, Settings'],
];

const Keys = ({ of }: { readonly of: KeyPlace }): JSX.Element => (
  <dl>
    {KEY_ROWS.filter(({ where }) => where === of).map(({ id, does, keys }) => (
      <div key={id}>
        <dt>{does}</dt>
        <dd>
          {keys.map((one) => (
            <kbd key={one}>{shownKey(one)}</kbd>
          ))}
        </dd>
      </div>
    ))}
  </dl>
);

export default function Help(): JSX.Element {
  return (
    <Dialog title="Keys" class="hp" onClose={() => (isHelpOpen.value = false)}>
      <div class="single">
        <Switch isOn={hasSingleKeys.value} label="Single keys" onChange={setSingleKeys} />
        <span>
          Single keys {hasSingleKeys.value ? 'are on' : 'are off'}. They never act while a text is typed. Keys
          with Ctrl are always on.
        </span>
      </div>
      <div class="cols" tabIndex={0} role="region" aria-label="List of keys">
        {PLACES.map(([place, title]) => (
          <section key={place}>
            <h3>{title}</h3>
            <Keys of={place} />
          </section>
        ))}
      </div>
    </Dialog>
  );
}
