// Reads the beginning of a JSON text whose end is missing: what is open is closed.
// Invariant: the result holds values of the text only, and none that the cut may have changed, except a cut string.
import { parsedJson } from '../../src/protocol/llm/json-values.ts';

/** Last attempts, each of which leaves out one more value. */
const ATTEMPTS = 8;

/** The value of a JSON text that was cut; `undefined` if it is not one. */
export function closeJson(text: string): unknown {
  const open: string[] = [];
  /** Where a value ended, and what was open there: places at which the text can be closed. */
  const ends: { readonly at: number; readonly closers: string }[] = [];
  let at = 0;
  let cutString: string | undefined;
  while (at < text.length) {
    const one = text[at]!;
    if (one === '"') {
      const end = endOfString(text, at);
      if (end === -1) {
        cutString = text.slice(at);
        break;
      }
      at = end;
      continue;
    }
    if (one === '{' || one === '[') {
      open.push(one === '{' ? '}' : ']');
      remember(ends, at + 1, open);
    } else if (one === '}' || one === ']') {
      if (open.pop() !== one) return undefined;
    } else if (one === ',') remember(ends, at, open);
    at++;
  }
  if (open.length === 0) return undefined;
  const closers = closersOf(open);
  const tries =
    cutString === undefined
      ? [text.slice(0, at) + closers]
      : [text.slice(0, at) + wholeCharacters(cutString) + '"' + closers];
  for (const end of ends.reverse()) tries.push(text.slice(0, end.at) + end.closers);
  for (const one of tries) {
    const value = parsedJson(one);
    if (value !== undefined) return value;
  }
  return undefined;
}

const closersOf = (open: readonly string[]): string => [...open].reverse().join('');

function remember(ends: { at: number; closers: string }[], at: number, open: readonly string[]): void {
  ends.push({ at, closers: closersOf(open) });
  if (ends.length > ATTEMPTS) ends.shift();
}

/** The place behind a string that begins at `from`; -1 if it has no end. */
function endOfString(text: string, from: number): number {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at === -1) return -1;
    let back = at - 1;
    while (text[back] === '\\') back--;
    if ((at - back) % 2 === 1) return at + 1;
  }
}

/** A cut string without an escape that the cut has hit, nor half a character. */
const wholeCharacters = (text: string): string => {
  const slashes = /\\+$/.exec(text)?.[0].length ?? 0;
  const whole =
    slashes % 2 === 1 ? text.slice(0, -1) : text.replace(/(^|[^\\])((?:\\\\)*)\\u[0-9a-fA-F]{0,3}$/, '$1$2');
  return whole.toWellFormed();
};
