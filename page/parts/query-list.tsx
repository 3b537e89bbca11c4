// What stands under the query bar: problems with what would be right, and offers.
// Invariant: the focus stays in the input; the list is moved through by its keys.
import type { JSX } from 'preact';
import { Icon } from './icons.tsx';
import type { Offer } from './query-values.ts';

/** A problem or hint, with a button that takes the suggestion. */
export const ProblemLine = ({
  text,
  suggestion,
  isHint = false,
  hasKey,
  onTake,
}: {
  readonly text: string;
  readonly suggestion: string | undefined;
  readonly isHint?: boolean;
  /** Tab takes it. */
  readonly hasKey: boolean;
  readonly onTake: () => void;
}): JSX.Element => (
  <div class={`qline ${isHint ? 'warn' : 'err'}`}>
    <Icon name={isHint ? 'warn' : 'error'} isSmall />
    <span class="grow">{text}</span>
    {suggestion !== undefined && (
      <button type="button" class="btn sm" onMouseDown={(event) => event.preventDefault()} onClick={onTake}>
        Use {suggestion} {hasKey && <kbd>Tab</kbd>}
      </button>
    )}
  </div>
);

export const OfferList = ({
  id,
  offers,
  chosen,
  onTake,
  onPoint,
}: {
  readonly id: string;
  readonly offers: readonly Offer[];
  readonly chosen: number;
  readonly onTake: (offer: Offer) => void;
  readonly onPoint: (index: number) => void;
}): JSX.Element => (
  <>
    <ul role="listbox" id={`${id}list`} aria-label="Completions">
      {offers.map((offer, i) => (
        <>
          {offer.group !== offers[i - 1]?.group && (
            <li key={offer.group} role="presentation" class="hd">
              {offer.group}
            </li>
          )}
          <li
            key={`${offer.group} ${offer.shown}`}
            id={`${id}o${i}`}
            role="option"
            aria-selected={i === chosen}
            class={i === chosen ? 'on' : ''}
            onMouseDown={(event) => event.preventDefault()}
            onMouseMove={() => onPoint(i)}
            onClick={() => onTake(offer)}
          >
            <Icon name={offer.address === undefined ? 'right' : 'arrow'} isSmall />
            <span class="mono el">{offer.shown}</span>
            <span class="dim el">{offer.note}</span>
            <span class="dim num">{offer.count}</span>
          </li>
        </>
      ))}
    </ul>
    {/* A new element under a list of another height, so that none moves. */}
    <div class="ft" key={offers.map(({ shown }) => shown).join(' ')}>
      <span>
        <kbd>↑</kbd> <kbd>↓</kbd> choose
      </span>
      <span>
        <kbd>Tab</kbd> take
      </span>
      <span>
        <kbd>Enter</kbd> search
      </span>
      <span>
        <kbd>Esc</kbd> close
      </span>
      <span class="grow" />
      <span class="nmob">
        all of it must hold, unless <code>OR</code> says otherwise
      </span>
    </div>
  </>
);
