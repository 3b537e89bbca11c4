// One field of the query bar with one value, as a node: `level>=warn`, `status:5xx`, `user.id:42`.
// Must stay true: a value that a field cannot have is a problem said in words, never a condition that quietly never holds.
import { nearest } from '../../../core/nearest-name.ts';
import { KINDS } from '../log-record.ts';
import { severityOfName } from '../severity.ts';
import { attributeName, fieldOf, meantBy, type QueryField, type FieldValues } from './field-names.ts';
import type { Operator, QueryProblem, TokenValue } from './lex.ts';
import type { Compare, QueryNode } from './query-node.ts';
import { wordsOf } from './words.ts';

const LEVELS = ['trace', 'debug', 'info', 'notice', 'warn', 'warning', 'error', 'critical', 'fatal'];
/** Nanoseconds. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
  d: 86_400e9,
};

type Range = readonly [from: number, to: number];
const only = (value: number): Range => [value, value];

/** A number as people write it; `undefined` for a text that is none, or beyond what can be counted exactly. */
function numberOf(text: string): number | undefined {
  if (!/^-?\d+(?:\.\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Nanoseconds of `150ms`, `2s`, `1.5m`; a number without unit is milliseconds. */
function nanoseconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(\p{L}*)$/u.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit === '' ? 'ms' : unit];
  if (factor === undefined) return undefined;
  const value = Math.round(Number(digits) * factor);
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** All that a value of a numeric field stands for: `warn` is 13 to 16, `5xx` 500 to 599. Or what would be right. */
function rangeOf(values: FieldValues, text: string): Range | string {
  if (values === 'level') {
    const value = numberOf(text);
    if (value !== undefined && Number.isInteger(value) && value >= 1 && value <= 24) return only(value);
    const severity = severityOfName(text);
    if (severity !== 0) return (severity - 1) % 4 === 0 ? [severity, severity + 3] : only(severity);
    const near = nearest(text, LEVELS);
    return `is no level; there are trace, debug, info, warn, error, fatal and the numbers 1 to 24${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  }
  if (values === 'status') {
    const group = /^([1-9])xx$/i.exec(text)?.[1];
    if (group !== undefined) return [Number(group) * 100, Number(group) * 100 + 99];
    return /^\d{1,5}$/.test(text)
      ? only(Number(text))
      : 'is no status; there are numbers (503) and groups (5xx)';
  }
  if (values === 'number') {
    const value = numberOf(text);
    return value === undefined ? 'is no number' : only(value);
  }
  const ns = nanoseconds(text);
  if (ns === undefined)
    return 'is no duration; write 150ms, 2s, 1.5m (units: ns, us, ms, s, m, h, d; without one: ms)';
  return only(values === 'ms' ? ns / 1e6 : ns);
}

function within(name: string, operator: Operator, [from, to]: Range): QueryNode {
  const field = (compare: Compare, value: number): QueryNode => ({ op: 'field', name, compare, value });
  switch (operator) {
    case '>':
      return field('>', to);
    case '>=':
      return field('>=', from);
    case '<':
      return field('<', from);
    case '<=':
      return field('<=', to);
    default:
      return from === to ? field('=', from) : { op: 'and', of: [field('>=', from), field('<=', to)] };
  }
}

/** A word or phrase; a text without any word (`→`, `!!`) is looked for letter by letter. */
export function textNode(text: string, isPrefix: boolean): QueryNode {
  const found = wordsOf(text);
  if (found.length === 0) return { op: 'substring', text };
  // Behind a sign, an ideograph or a picture the last word is at its end: there is nothing to go on with.
  return { op: 'words', words: found, isPrefix: isPrefix && wordsOf(`${text}a`).length === found.length };
}

function textValue(
  { name, values }: QueryField,
  operator: Operator,
  { text, isQuoted }: TokenValue,
): QueryNode | string {
  const isPattern = !isQuoted && text.includes('*');
  if (values === 'includes')
    return operator === ':' || operator === '!=' ? { op: 'substring', text } : 'is asked for with : alone';
  if (values === 'message' && operator === ':' && !isPattern) return textNode(text, false);
  if (values === 'message' && operator === ':' && /^[^*]+\*$/.test(text))
    return textNode(text.slice(0, -1), true);
  if (values === 'kind' && !KINDS.some((kind) => kind === text.toLowerCase()))
    return `is not a kind; there are ${KINDS.slice(0, -1).join(', ')} and ${KINDS.at(-1)}`;
  const lower = values === 'hex' || values === 'kind';
  const value = lower ? text.toLowerCase() : values === 'method' ? text.toUpperCase() : text;
  if (operator !== ':' && operator !== '=' && operator !== '!=')
    return `is a text: it is asked for with :, = or !=`;
  return { op: 'field', name, compare: isPattern ? 'like' : '=', value };
}

/** An attribute of which nothing is known: numbers compare as numbers, everything else letter by letter. */
function attributeValue(name: string, operator: Operator, { text, isQuoted }: TokenValue): QueryNode {
  const number = isQuoted ? undefined : numberOf(text);
  if (operator !== ':' && operator !== '=' && operator !== '!=')
    return { op: 'field', name, compare: operator, value: number ?? text };
  if (!isQuoted && text.includes('*')) return { op: 'field', name, compare: 'like', value: text };
  // A number that is written as numbers are equals both the number and its text; 007 is the text alone.
  return { op: 'field', name, compare: '=', value: String(number) === text ? number! : text };
}

/**
 * The node of `key operator value`, without the negation of `!=`. `hint` is told what may not have been meant.
 */
export function fieldFilter(
  key: string,
  isLiteral: boolean,
  operator: Operator,
  value: TokenValue,
  hint: (text: string) => void,
): QueryNode | QueryProblem {
  const known = isLiteral ? undefined : fieldOf(key);
  const name = known?.name ?? attributeName(key);
  const isEquality = operator === ':' || operator === '=' || operator === '!=';
  if (isEquality && !value.isQuoted && /^\*+$/.test(value.text) && known?.values !== 'includes')
    return { op: 'exists', name };
  if (known === undefined) {
    const meant = isLiteral ? undefined : meantBy(key);
    if (meant !== undefined)
      hint(`${key} is taken as an attribute; did you mean ${meant}? (@${key} says that it is one)`);
    if (!isEquality && !value.isQuoted && numberOf(value.text) === undefined)
      hint(`${key} is an attribute: ${value.text} is compared as a text, letter by letter`);
    return attributeValue(name, operator, value);
  }
  let node: QueryNode | string;
  if (['level', 'status', 'duration', 'ms', 'number'].includes(known.values)) {
    const range = rangeOf(known.values, value.text);
    node = typeof range === 'string' ? range : within(name, operator, range);
    if (known.values === 'duration' && isEquality)
      hint(
        `${key}${operator}${value.text} is exactly that, to the nanosecond; ${key}>=${value.text} is that or longer`,
      );
  } else node = textValue(known, operator, value);
  return typeof node === 'string' ? { problem: `${key}: ${value.text} ${node}`, at: value.at } : node;
}
