// The query bar: an input under a coloured copy of its text, with offers, problems and hints under it.
// Invariant: a text with a problem is not asked; what is typed stays what it is, since the input is an ordinary one.
import type { JSX } from 'preact';
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  parseQuery,
  piecesOf,
  type PieceKind,
  type QueryHint,
  type QueryProblem,
} from '../../src/telemetry/logs/query/grammar.ts';
import type { Problem } from '../api/client.ts';
import { go } from '../state.ts';
import { Button } from './basics.tsx';
import { Icon } from './icons.tsx';
import { OfferList, ProblemLine } from './query-list.tsx';
import { replaceAt, spotAt } from './query-text.ts';
import { offersAt, type Offer } from './query-values.ts';
import { keepQuestion } from './questions.ts';

const CLASSES: Readonly<Record<PieceKind, string>> = {
  space: '',
  word: 'qw',
  quoted: 'qs',
  regex: 'qr',
  field: 'qk',
  operator: 'qo',
  value: 'qv',
  separator: 'qo',
  connective: 'qo',
  negation: 'qn',
  parenthesis: 'qo',
};

/** Typing is asked this long after the last change, in milliseconds. */
const TYPED_MS = 400;

export interface QueryProps {
  /** The text that is asked now. */
  readonly value: string;
  /** `isTyped`: while one types; Back should skip it. */
  readonly onAsk: (text: string, isTyped: boolean) => void;
  /** Environment, deployment and time as parameters of the API, for the values that are offered. */
  readonly scope?: Readonly<Record<string, string>>;
  /** Problems that only weir can find, such as those of regular expressions. */
  readonly problems?: readonly Problem[];
  /** Asks while one types, too. A form asks on Enter alone. */
  readonly isEager?: boolean;
  readonly label?: string;
  readonly placeholder?: string;
  /** Has the focus first in its dialog. */
  readonly isFirst?: boolean;
  /** Told each text as it is typed, also one with problems: a form sends what is in it. */
  readonly onDraft?: (text: string) => void;
  /** Told with each change: how many problems the text has. */
  readonly onProblems?: (count: number) => void;
}

export const Query = ({
  value,
  onAsk,
  scope = {},
  problems: others = [],
  isEager = true,
  label = 'Query',
  placeholder = 'Words, "a phrase", field:value, /expression/',
  isFirst = false,
  onDraft,
  onProblems,
}: QueryProps): JSX.Element => {
  const [draft, setDraft] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [offers, setOffers] = useState<readonly Offer[]>([]);
  const [chosen, setChosen] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const [isFocused, setFocused] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const copy = useRef<HTMLDivElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const isComposing = useRef(false);
  const id = useId();

  // What was asked elsewhere: Back, a facet.
  useEffect(() => {
    clearTimeout(timer.current);
    if (document.activeElement !== input.current || value !== draft.trim()) setDraft(value);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const { problems, hints } = useMemo(
    () => checked(draft, draft === value ? others : []),
    [draft, value, others],
  );
  useEffect(() => onProblems?.(problems.length), [problems.length]);
  const spot = useMemo(() => spotAt(draft, caret), [draft, caret]);

  useEffect(() => {
    if (!isOpen || spot === undefined) {
      setOffers([]);
      return undefined;
    }
    const controller = new AbortController();
    void offersAt(draft, spot, scope, controller.signal).then((found) => {
      if (controller.signal.aborted) return;
      // An offer of what is already there says nothing.
      setOffers(found.length === 1 && found[0]!.text === draft.slice(spot.start, spot.end) ? [] : found);
      setChosen(0);
    });
    return () => controller.abort();
  }, [isOpen, draft, caret, JSON.stringify(scope)]);

  // The copy lies where the text is.
  useLayoutEffect(() => {
    if (copy.current && input.current) copy.current.scrollLeft = input.current.scrollLeft;
  });

  const ask = (text: string, isTyped: boolean): void => {
    clearTimeout(timer.current);
    if (checked(text, []).problems.length > 0) return;
    if (!isTyped) keepQuestion(text.trim());
    onAsk(text.trim(), isTyped);
  };
  const change = (text: string, at: number): void => {
    setDraft(text);
    setCaret(at);
    setOpen(true);
    onDraft?.(text);
    clearTimeout(timer.current);
    if (isEager && !isComposing.current) timer.current = setTimeout(() => ask(text, true), TYPED_MS);
  };
  /** Puts a text in the place of another, so that Ctrl Z takes it back. */
  const put = (start: number, end: number, by: string): string => {
    const next = replaceAt(draft, start, end, by);
    const field = input.current!;
    field.focus();
    field.setSelectionRange(start, end);
    // The only way that keeps the input's own history.
    if (!document.execCommand('insertText', false, by)) {
      field.value = next.text;
      change(next.text, next.caret);
    }
    field.setSelectionRange(next.caret, next.caret);
    return next.text;
  };
  const take = (offer: Offer): void => {
    if (offer.address !== undefined) return go(offer.address);
    if (spot === undefined) return undefined;
    if (offer.group === 'Recent queries') {
      setOpen(false);
      return ask(put(0, draft.length, offer.text), false);
    }
    // A name of a field is followed by its values, a value by the next condition.
    const isDone = spot.kind === 'value';
    put(spot.start, spot.end, isDone ? `${offer.text} ` : offer.text);
    return undefined;
  };
  const fix = ({ at, length, suggestion }: QueryProblem): void => {
    const text = put(at, at + length, suggestion!);
    if (checked(text, []).problems.length === 0) ask(text, false);
  };

  const first = problems.find(({ suggestion }) => suggestion !== undefined);
  const isAtCaret = first !== undefined && spot !== undefined && first.at === spot.start && offers.length > 0;
  const isListed = isOpen && isFocused && offers.length > 0;
  // What is still being typed is not yet a mistake.
  const shown = problems.filter(({ at, length }) => !(isFocused && isOpen && length === 0 && at >= caret));

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    switch (event.key) {
      case 'Enter':
        // Ctrl Enter is of the form.
        if (event.ctrlKey || event.metaKey) return setOpen(false);
        event.preventDefault();
        setOpen(false);
        ask(draft, false);
        return;
      case 'Escape':
        if (!isListed) return input.current?.blur();
        event.preventDefault();
        event.stopPropagation();
        setOpen(false);
        return;
      case 'Tab':
        if (event.shiftKey || (first === undefined && !isListed)) return;
        event.preventDefault();
        if (first !== undefined && !isAtCaret) fix(first);
        else take(offers[chosen]!);
        return;
      case 'ArrowDown':
      case 'ArrowUp':
        event.preventDefault();
        if (!isListed) return setOpen(true);
        setChosen((chosen + (event.key === 'ArrowDown' ? 1 : offers.length - 1)) % offers.length);
        return;
      default:
    }
  };
  const follow = (): void => {
    setCaret(input.current?.selectionStart ?? 0);
    if (copy.current && input.current) copy.current.scrollLeft = input.current.scrollLeft;
  };

  return (
    <div class="qwrap grow">
      <div class={`q${problems.length > 0 ? ' bad' : isFocused ? ' on' : ''}`}>
        <Icon name="search" isSmall />
        <div class="qtext grow">
          <div class="t" aria-hidden="true" ref={copy}>
            <Coloured text={draft} problems={shown} hints={hints} />
          </div>
          <input
            ref={input}
            type="text"
            role="combobox"
            aria-label={label}
            aria-autocomplete="list"
            aria-expanded={isListed}
            aria-controls={isListed ? `${id}list` : undefined}
            aria-activedescendant={isListed ? `${id}o${chosen}` : undefined}
            aria-invalid={problems.length > 0}
            aria-describedby={shown.length > 0 ? `${id}problem` : undefined}
            spellcheck={false}
            autofocus={isFirst}
            autocomplete="off"
            autocapitalize="off"
            placeholder={placeholder}
            value={draft}
            onInput={(event) => change(event.currentTarget.value, event.currentTarget.selectionStart ?? 0)}
            onCompositionStart={() => (isComposing.current = true)}
            onCompositionEnd={(event) => {
              isComposing.current = false;
              change(event.currentTarget.value, event.currentTarget.selectionStart ?? 0);
            }}
            onKeyDown={onKeyDown}
            onKeyUp={follow}
            onClick={() => {
              follow();
              setOpen(true);
            }}
            onScroll={follow}
            onFocus={() => setFocused(true)}
            onBlur={() => {
              setFocused(false);
              setOpen(false);
            }}
          />
        </div>
        {problems.length > 0 && (
          <span class="pill err">
            {problems.length} {problems.length === 1 ? 'problem' : 'problems'}
          </span>
        )}
        {draft !== '' && (
          <Button
            kind="bare"
            isSmall
            icon="close"
            label="Clear the query"
            onClick={() => {
              setDraft('');
              onDraft?.('');
              input.current?.focus();
              ask('', false);
            }}
          />
        )}
      </div>
      {(shown.length > 0 || hints.length > 0 || isListed) && (
        <div class="pop comp">
          <div id={`${id}problem`}>
            {shown.slice(0, 3).map((one) => (
              <ProblemLine
                key={`${one.at} ${one.problem}`}
                text={one.problem}
                suggestion={one.suggestion}
                hasKey={one === first && !isAtCaret}
                onTake={() => fix(one)}
              />
            ))}
            {shown.length === 0 &&
              isFocused &&
              hints.map((one) => (
                <ProblemLine
                  key={`${one.at} ${one.text}`}
                  isHint
                  text={one.text}
                  suggestion={one.suggestion}
                  hasKey={false}
                  onTake={() => fix({ ...one, problem: one.text })}
                />
              ))}
          </div>
          {isListed && (
            <OfferList id={id} offers={offers} chosen={chosen} onTake={take} onPoint={setChosen} />
          )}
        </div>
      )}
    </div>
  );
};

/** Problems and hints of a text. Those of weir are told for the text that was asked. */
function checked(
  text: string,
  others: readonly Problem[],
): { readonly problems: readonly QueryProblem[]; readonly hints: readonly QueryHint[] } {
  const parsed = parseQuery(text);
  if ('problems' in parsed) return { problems: parsed.problems, hints: [] };
  const told = others
    .filter(({ param, at }) => param === 'q' && at !== undefined)
    .map(({ problem, at = 0, length = 0, suggestion }) => ({
      problem,
      at,
      length,
      ...(suggestion !== undefined && { suggestion }),
    }));
  return { problems: told, hints: parsed.hints };
}

/** The text in the colours of its pieces, with lines under what is wrong. */
const Coloured = ({
  text,
  problems,
  hints,
}: {
  readonly text: string;
  readonly problems: readonly QueryProblem[];
  readonly hints: readonly QueryHint[];
}): JSX.Element => {
  const isIn = (
    { start, end }: { readonly start: number; readonly end: number },
    marks: readonly { readonly at: number; readonly length: number }[],
  ): boolean => marks.some(({ at, length }) => at < end && at + length > start);
  return (
    <>
      {piecesOf(text).map((piece) => {
        const mark =
          piece.kind === 'space' ? '' : isIn(piece, problems) ? ' qbad' : isIn(piece, hints) ? ' qhint' : '';
        return (
          <span key={piece.start} class={CLASSES[piece.kind] + mark}>
            {text.slice(piece.start, piece.end)}
          </span>
        );
      })}
    </>
  );
};
