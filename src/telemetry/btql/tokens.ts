// Splits the text of a BTQL query into tokens.
// Invariant: the time is linear in the length of the text, and every text gives tokens or an error with a place.
import { QueryError } from './tree.ts';

export type QueryToken = { readonly at: number; readonly end: number } & (
  | { readonly type: 'word'; readonly text: string }
  | { readonly type: 'string'; readonly text: string; readonly quote: string }
  | { readonly type: 'number'; readonly value: number; readonly text: string }
  | { readonly type: 'sign'; readonly text: string }
  | { readonly type: 'end'; readonly text: '' }
);

const SPACE = /(?:\s+|--[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/)+/y;
const WORD = /[\p{L}_$][\p{L}\p{M}\p{N}_$]*/uy;
const NUMBER = /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SIGN = /<=|>=|!=|<>|==|=>|\|\||[-+*/%=<>()[\],.?:|;]/y;
const QUOTES = '\'"`';

/** The end of the text is the last token. */
export function tokenize(text: string): QueryToken[] {
  const tokens: QueryToken[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    return match[0];
  };
  for (;;) {
    at += take(SPACE)?.length ?? 0;
    if (at >= text.length) break;
    const quote = text[at]!;
    if (QUOTES.includes(quote)) {
      const { value, end } = readString(text, at, quote);
      tokens.push({ type: 'string', text: value, quote, at, end });
      at = end;
      continue;
    }
    const word = take(WORD);
    const digits = word === undefined ? take(NUMBER) : undefined;
    const found = word ?? digits ?? take(SIGN);
    if (found === undefined)
      throw new QueryError(
        `unexpected character ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}`,
        at,
      );
    const place = { at, end: at + found.length };
    if (word !== undefined) tokens.push({ type: 'word', text: word, ...place });
    else if (digits !== undefined)
      tokens.push({ type: 'number', value: numberOf(digits, at), text: digits, ...place });
    else tokens.push({ type: 'sign', text: found, ...place });
    at = place.end;
  }
  tokens.push({ type: 'end', text: '', at: text.length, end: text.length });
  return tokens;
}

function numberOf(digits: string, at: number): number {
  const value = Number(digits);
  if (!Number.isFinite(value)) throw new QueryError(`the number ${digits.slice(0, 40)} is too large`, at);
  return value;
}

/** A quote inside is written twice or behind a backslash. Other backslashes stay, since LIKE has its own. */
function readString(text: string, at: number, quote: string): { value: string; end: number } {
  let value = '';
  let from = at + 1;
  for (let i = from; i < text.length; i++) {
    const character = text[i]!;
    const next = text[i + 1];
    const isEscape = character === '\\' && (next === quote || next === '\\');
    const isDoubled = character === quote && next === quote;
    if (isEscape || isDoubled) {
      value += text.slice(from, i) + next;
      from = ++i + 1;
    } else if (character === quote) return { value: value + text.slice(from, i), end: i + 1 };
  }
  throw new QueryError(`the text has no closing ${quote}`, at);
}

/** Line and column of a place, both from 1. */
export function lineAndColumn(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
