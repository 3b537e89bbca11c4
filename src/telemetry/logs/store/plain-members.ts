// Splits the JSON text of an object into its members without parsing it, if it is in the form that most attributes have.
// Invariant: the members are those that parsing the text and writing each value with JSON.stringify gives.

/** Without a name, the value is the text of one or more members as they are. */
export type Member = readonly [name: string | undefined, value: string];

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const FIRST_SURROGATE = 0xd800;
/** More digits may be rounded. */
const MAX_DIGITS = 15;
/** Each name is compared with those before it. */
const MAX_MEMBERS = 32;
const WORDS = ['true', 'false', 'null'];

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** The index behind a string that begins at `at` and has no escapes; -1 if it has some. */
function stringEnd(text: string, at: number): number {
  if (text.charCodeAt(at) !== QUOTE) return -1;
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i + 1;
    // JSON.stringify escapes half of a pair of surrogates, and writes other characters as they are.
    if (code < SPACE || code === BACKSLASH || code >= FIRST_SURROGATE) return -1;
  }
  return -1;
}

/** The index behind an integer that JSON.stringify writes with the same digits; -1 if it may write others. */
function integerEnd(text: string, at: number): number {
  const from = text.charCodeAt(at) === MINUS ? at + 1 : at;
  let end = from;
  while (isDigit(text.charCodeAt(end))) end++;
  const hasOtherForm = text[from] === '0' && (end > from + 1 || from > at);
  return end === from || end - from > MAX_DIGITS || hasOtherForm ? -1 : end;
}

function valueEnd(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return stringEnd(text, at);
  if (code === MINUS || isDigit(code)) return integerEnd(text, at);
  const word = WORDS.find((one) => text.startsWith(one, at));
  return word === undefined ? -1 : at + word.length;
}

/**
 * The members of an object whose values are strings without escapes, integers, true, false or null. `undefined`: it is
 * another text, or not certainly in the order in which parsing gives them.
 */
export function plainMembersOf(text: string): Member[] | undefined {
  const last = text.length - 1;
  if (text[0] !== '{' || text[last] !== '}') return undefined;
  const members: Member[] = [];
  let at = 1;
  while (members.length < MAX_MEMBERS) {
    const nameEnd = stringEnd(text, at);
    // Names that are numbers come before others.
    if (nameEnd === -1 || text.charCodeAt(nameEnd) !== COLON || isDigit(text.charCodeAt(at + 1)))
      return undefined;
    const end = valueEnd(text, nameEnd + 1);
    if (end === -1 || (end !== last && text.charCodeAt(end) !== COMMA)) return undefined;
    const name = text.slice(at + 1, nameEnd - 1);
    if (members.some(([other]) => other === name)) return undefined;
    members.push([name, text.slice(nameEnd + 1, end)]);
    if (end === last) return members;
    at = end + 1;
  }
  return undefined;
}
