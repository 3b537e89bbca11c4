// What is at the caret of a query, and changes of its text: pure functions over the pieces of the grammar.
// Invariant: a change keeps what is not part of it, letter by letter.
import { piecesOf, type QueryPiece } from '../../src/telemetry/logs/query/grammar.ts';

/** What can be completed at the caret. Places are indexes into the text. */
export type CaretSpot =
  | { readonly kind: 'field'; readonly start: number; readonly end: number; readonly typed: string }
  | {
      readonly kind: 'value';
      readonly start: number;
      readonly end: number;
      readonly typed: string;
      /** Name of the field as it is written. */
      readonly field: string;
      /** The whole condition, with its field. */
      readonly termStart: number;
    };

/** The spot at the caret; `undefined`: nothing can be completed there. */
export function spotAt(text: string, caret: number): CaretSpot | undefined {
  const pieces = piecesOf(text);
  const at = pieces.findIndex(({ start, end, kind }) => start < caret && caret <= end && kind !== 'space');
  const piece = pieces[at];
  if (piece === undefined) return { kind: 'field', start: caret, end: caret, typed: '' };
  const { kind, start, end } = piece;
  if (kind === 'word' || kind === 'field')
    return { kind: 'field', start, end, typed: text.slice(start, caret) };
  if (kind === 'operator' || kind === 'separator' || kind === 'value') {
    const fieldAt = pieces.slice(0, at + 1).findLastIndex((one) => one.kind === 'field');
    const field = pieces[fieldAt];
    // An operator without a field before it.
    if (
      field === undefined ||
      pieces.slice(fieldAt, at).some((one) => one.kind === 'space' && !isList(pieces, fieldAt))
    )
      return undefined;
    const own = kind === 'value' ? { start, end } : { start: caret, end: caret };
    return {
      kind: 'value',
      ...own,
      typed: text.slice(own.start, caret),
      field: text.slice(field.start, field.end).replace(/^@/, ''),
      termStart: field.start,
    };
  }
  return kind === 'negation' || kind === 'parenthesis'
    ? { kind: 'field', start: caret, end: caret, typed: '' }
    : undefined;
}

/** True if the values of a field stand in parentheses, where spaces may be. */
const isList = (pieces: readonly QueryPiece[], fieldAt: number): boolean =>
  pieces[fieldAt + 2]?.kind === 'parenthesis';

/** Puts a text in the place of another; returns the new text and the caret behind it. */
export const replaceAt = (
  text: string,
  start: number,
  end: number,
  by: string,
): { readonly text: string; readonly caret: number } => ({
  text: text.slice(0, start) + by + text.slice(end),
  caret: start + by.length,
});

/** A value as a query writes it: in quotes if it has characters with a meaning. */
export const written = (value: string): string =>
  /^[^\s()"|,*/@<>=!:-][^\s()"|,*]*$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;

/** A condition on a field that stands for itself at the top of a query. */
interface TopTerm {
  readonly start: number;
  readonly end: number;
  readonly isNot: boolean;
  readonly field: string;
  /** The values as they are written. */
  readonly values: readonly string[];
}

interface TopLevel {
  readonly terms: readonly TopTerm[];
  /** True if alternatives stand at the top, so that a further condition needs parentheses around them. */
  readonly hasOr: boolean;
}

/** Conditions `field:value` that must all hold. Others, and those in parentheses, are not among them. */
function topLevel(text: string): TopLevel {
  const pieces = piecesOf(text);
  const terms: TopTerm[] = [];
  let depth = 0;
  let hasOr = false;
  for (let i = 0; i < pieces.length; i++) {
    const { kind, start, end } = pieces[i]!;
    const own = text.slice(start, end);
    if (kind === 'parenthesis') depth += own === '(' ? 1 : -1;
    if (kind === 'connective' && depth === 0 && own !== 'AND') hasOr = true;
    if (kind !== 'field' || depth !== 0) continue;
    const before = pieces[i - 1];
    const isNot = before?.kind === 'negation' && text.slice(before.start, before.end) === '-';
    const operator = pieces[i + 1];
    let last = i + 1;
    const values: string[] = [];
    for (let j = i + 2; j < pieces.length; j++) {
      const piece = pieces[j]!;
      if (piece.kind !== 'value' && piece.kind !== 'quoted' && piece.kind !== 'separator') break;
      if (piece.kind !== 'separator') values.push(text.slice(piece.start, piece.end));
      last = j;
    }
    const isEqual = operator !== undefined && text.slice(operator.start, operator.end) === ':';
    if (isEqual && values.length > 0)
      terms.push({
        start: isNot ? before.start : start,
        end: pieces[last]!.end,
        isNot,
        field: own,
        values,
      });
    i = last;
  }
  return { terms: hasOr ? [] : terms, hasOr };
}

const sameField = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** Values that a query demands of a field, and those that it excludes, without quotes. */
export function chosenValues(
  text: string,
  names: readonly string[],
): { readonly only: readonly string[]; readonly not: readonly string[] } {
  const { terms } = topLevel(text);
  const of = terms.filter(({ field }) => names.some((name) => sameField(name, field)));
  const plain = (value: string): string =>
    value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(["\\])/g, '$1') : value;
  return {
    only: of.filter(({ isNot }) => !isNot).flatMap(({ values }) => values.map(plain)),
    not: of.filter(({ isNot }) => isNot).flatMap(({ values }) => values.map(plain)),
  };
}

/** Sets what a query demands of a field: the values it must have one of, and those that it must not have. */
export function withValues(
  text: string,
  names: readonly string[],
  only: readonly string[],
  not: readonly string[],
): string {
  const { terms, hasOr } = topLevel(text);
  let rest = text;
  for (const { field, start, end } of [...terms].reverse())
    if (names.some((name) => sameField(name, field)))
      rest = [rest.slice(0, start).trimEnd(), rest.slice(end).trimStart()]
        .filter((part) => part !== '')
        .join(' ');
  const name = names[0]!;
  const added = [
    ...(only.length === 0 ? [] : [`${name}:${only.map(written).join(',')}`]),
    ...not.map((value) => `-${name}:${written(value)}`),
  ].join(' ');
  if (added === '') return rest;
  return rest === '' ? added : `${hasOr ? `(${rest})` : rest} ${added}`;
}

/** Adds a condition: only records with this value, or without it. A second time it is taken away. */
export function withValue(text: string, names: readonly string[], value: string, isNot: boolean): string {
  const { only, not } = chosenValues(text, names);
  const has = (isNot ? not : only).includes(value);
  return isNot
    ? withValues(text, names, only, has ? not.filter((one) => one !== value) : [...not, value])
    : withValues(
        text,
        names,
        has && only.length === 1 ? [] : [value],
        not.filter((one) => one !== value),
      );
}
