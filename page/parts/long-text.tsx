// A text of any length: its first part, and further parts when they are asked for; words that are searched are marked.
// Invariant: at most PIECE more characters are drawn for one click; hidden characters are shown as marks.
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytes, text as textOf, visible } from '../formats.ts';
import { Button } from './basics.tsx';

/** Characters drawn at first, and for each further click. */
const PIECE = 64 * 1024;
/** Marks in one text; more would make the page slow. */
const MAX_MARKS = 1000;

/** Places of a word in a text, without regard to upper and lower case. At most 1,000. */
export function placesOf(text: string, find: string): number[] {
  if (find === '') return [];
  const [all, wanted] = [text.toLowerCase(), find.toLowerCase()];
  // A few letters change their length, so that places would differ.
  if (all.length !== text.length) return [];
  const out: number[] = [];
  for (
    let at = all.indexOf(wanted);
    at !== -1 && out.length < MAX_MARKS;
    at = all.indexOf(wanted, at + wanted.length)
  )
    out.push(at);
  return out;
}

/** A text in which each place of `find` is marked. */
const Marked = ({ text, find }: { readonly text: string; readonly find: string }): JSX.Element => {
  const places = placesOf(text, find);
  if (places.length === 0) return <>{text}</>;
  const out: ComponentChildren[] = [];
  let from = 0;
  for (const at of places) {
    out.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + find.length)}</mark>);
    from = at + find.length;
  }
  return (
    <>
      {out}
      {text.slice(from)}
    </>
  );
};

export const LongText = ({
  text,
  find = '',
  piece = PIECE,
}: {
  readonly text: string;
  readonly find?: string;
  readonly piece?: number;
}): JSX.Element => {
  const [limit, setLimit] = useState(piece);
  const left = text.length - limit;
  return (
    <>
      <Marked text={visible(left > 0 ? text.slice(0, limit).toWellFormed() : text)} find={find} />
      {left > 0 && (
        <div class="ltmore">
          <Button isSmall onClick={() => setLimit(limit + Math.max(piece, PIECE))}>
            {textOf(bytes(left))} more
          </Button>
        </div>
      )}
    </>
  );
};
