// Converts one field condition of the query bar to a node: `level>=warn`, `status:5xx`, `user.id:42`.
// Invariant: a value that the field cannot have is an error, not a condition that never matches.
import { nearest, unknownName } from '../../../core/nearest-name.ts';
import { parseDurationNs } from '../../../core/units.ts';
import { KINDS } from '../log-record.ts';
import { severityOfName } from '../severity.ts';
import {
  annotationPath,
  attributeName,
  findField,
  suggestField,
  type QueryField,
  type FieldValues,
} from './field-names.ts';
import type { FieldTerm, Operator, QueryPlace, TokenValue } from './lex.ts';
import type { Compare, QueryNode } from './query-node.ts';
import { wordsOf } from './words.ts';

/** Names of levels that are suggested. `level:` takes those of common loggers too. */
export const LEVELS = [
  'trace',
  'debug',
  'info',
  'notice',
  'warn',
  'warning',
  'error',
  'critical',
  'fatal',
] as const;

const NUMERIC: ReadonlySet<FieldValues> = new Set(['level', 'status', 'duration', 'ms', 'number']);

/** What is wrong with a value. `suggestion`: a value to write instead. */
interface ValueProblem {
  readonly problem: string;
  readonly suggestion?: string | undefined;
}

/** A part that was accepted but may not mean what the user expects. */
export interface QueryHint extends QueryPlace {
  readonly text: string;
}

/** Inclusive. */
type Range = readonly [from: number, to: number];
const single = (value: number): Range => [value, value];

/** Text of the user for a message: in quotes, and cut, since it can be as long as a query. */
const quote = (text: string): string => JSON.stringify(text.slice(0, 80));

/** Parses a decimal number. `undefined` for other text, and for values outside the safe integers. */
function parseNumber(text: string): number | undefined {
  if (!/^-?\d+(?:\.\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Nanoseconds of a duration; a number without a unit is milliseconds. `undefined` if too large to count exactly. */
function nanoseconds(text: string): number | undefined {
  const value = Number(parseDurationNs(/^[\d.]+$/.test(text) ? `${text}ms` : text));
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Range of values that the text of a numeric field covers: `warn` is 13 to 16, `5xx` 500 to 599. Or what is wrong. */
function parseRange(values: FieldValues, key: string, text: string): Range | ValueProblem {
  if (values === 'level') {
    const value = parseNumber(text);
    if (value !== undefined && Number.isInteger(value) && value >= 1 && value <= 24) return single(value);
    const severity = severityOfName(text);
    if (severity !== 0) return (severity - 1) % 4 === 0 ? [severity, severity + 3] : single(severity);
    const near = nearest(text, LEVELS);
    const advice =
      near === undefined
        ? 'use trace, debug, info, warn, error, fatal or a number from 1 to 24'
        : `did you mean "${near}"?`;
    return { problem: `unknown level ${quote(text)}; ${advice}`, suggestion: near };
  }
  if (values === 'status') {
    const group = /^([1-9])xx$/i.exec(text)?.[1];
    if (group !== undefined) return [Number(group) * 100, Number(group) * 100 + 99];
    return /^\d{1,5}$/.test(text)
      ? single(Number(text))
      : { problem: `invalid status ${quote(text)}; use a number such as 503 or a group such as 5xx` };
  }
  if (values === 'number') {
    const value = parseNumber(text);
    return value === undefined
      ? { problem: `invalid value ${quote(text)} of ${key}; use a number such as 100` }
      : single(value);
  }
  const ns = nanoseconds(text);
  if (ns === undefined)
    return {
      problem: `invalid duration ${quote(text)}; use a number with ns, us, ms, s, m, h, d or w, such as 150ms`,
    };
  return single(values === 'ms' ? ns / 1e6 : ns);
}

function rangeNode(name: string, operator: Operator, [from, to]: Range): QueryNode {
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

/** Node of a word or phrase. Text without a word (`→`, `!!`) is searched as a substring. */
export function textNode(text: string, isPrefix: boolean): QueryNode {
  const words = wordsOf(text);
  if (words.length === 0) return { op: 'substring', text };
  // A prefix must end in a letter that a longer word can continue: not in punctuation, an ideograph or an emoji.
  return { op: 'words', words, isPrefix: isPrefix && wordsOf(`${text}a`).length === words.length };
}

function textFieldNode(
  { name, values }: QueryField,
  key: string,
  operator: Operator,
  { text, isQuoted }: TokenValue,
): QueryNode | ValueProblem {
  const isPattern = !isQuoted && text.includes('*');
  if (values === 'includes')
    return operator === ':' || operator === '!='
      ? { op: 'substring', text }
      : { problem: `invalid operator ${operator} for ${key}; use ${key}:text or ${key}!=text` };
  if (values === 'message' && operator === ':' && !isPattern) return textNode(text, false);
  if (values === 'message' && operator === ':' && /^[^*]+\*$/.test(text))
    return textNode(text.slice(0, -1), true);
  if (values === 'kind' && !KINDS.some((kind) => kind === text.toLowerCase()))
    return { problem: unknownName('kind', text, KINDS), suggestion: nearest(text, KINDS) };
  const lower = values === 'hex' || values === 'kind';
  const value = lower ? text.toLowerCase() : values === 'method' ? text.toUpperCase() : text;
  if (operator !== ':' && operator !== '=' && operator !== '!=')
    return { problem: `invalid operator ${operator} for the text field ${key}; use :, = or !=` };
  return { op: 'field', name, compare: isPattern ? 'like' : '=', value };
}

/** Node of a condition on an attribute, whose type is not known: numbers are compared as numbers, others as texts. */
function attributeNode(name: string, operator: Operator, { text, isQuoted }: TokenValue): QueryNode {
  const number = isQuoted ? undefined : parseNumber(text);
  if (operator !== ':' && operator !== '=' && operator !== '!=')
    return { op: 'field', name, compare: operator, value: number ?? text };
  if (!isQuoted && text.includes('*')) return { op: 'field', name, compare: 'like', value: text };
  // A number in its usual form equals both the number and its text. `007` equals only the text.
  return { op: 'field', name, compare: '=', value: String(number) === text ? number! : text };
}

/** The condition on an attribute, or on either of two. */
const eitherOf = (
  name: string,
  other: string | undefined,
  nodeFor: (name: string) => QueryNode,
): QueryNode => (other === undefined ? nodeFor(name) : { op: 'or', of: [nodeFor(name), nodeFor(other)] });

/** The condition on a field; of a record without it, on the field that is used instead. */
const withFallback = (
  name: string,
  fallback: string | undefined,
  nodeFor: (name: string) => QueryNode,
): QueryNode => {
  const node = nodeFor(name);
  if (fallback === undefined) return node;
  const isMissing: QueryNode = { op: 'not', of: { op: 'exists', name } };
  return { op: 'or', of: [node, { op: 'and', of: [isMissing, nodeFor(fallback)] }] };
};

/**
 * Returns the node of a field term for one of its values, without the negation of `!=`. `addHint` receives a warning if
 * the condition may not be what the user meant.
 */
export function fieldFilter(
  { key, isAttribute, operator, at, end, values }: FieldTerm,
  value: TokenValue,
  addHint: (hint: QueryHint) => void,
): QueryNode | ValueProblem {
  const known = isAttribute ? undefined : findField(key);
  const name = known?.name ?? attributeName(key);
  const inAnnotations = isAttribute || known !== undefined ? undefined : annotationPath(key);
  const isEquality = operator === ':' || operator === '=' || operator === '!=';
  if (isEquality && !value.isQuoted && /^\*+$/.test(value.text) && known?.values !== 'includes')
    return eitherOf(name, inAnnotations, (one) =>
      withFallback(one, known?.fallback, (either) => ({ op: 'exists', name: either })),
    );
  if (known === undefined) {
    const suggestion = isAttribute || inAnnotations !== undefined ? undefined : suggestField(key);
    if (suggestion !== undefined)
      addHint({
        text: `"${key}" is searched as an attribute; did you mean the field "${suggestion}"? (@${key} names an attribute)`,
        at,
        length: key.length,
        suggestion,
      });
    if (!isEquality && !value.isQuoted && parseNumber(value.text) === undefined)
      addHint({
        text: `${quote(value.text)} is not a number, so the attribute "${key}" is compared as text`,
        at: value.at,
        length: value.end - value.at,
      });
    return eitherOf(name, inAnnotations, (one) => attributeNode(one, operator, value));
  }
  if (!NUMERIC.has(known.values)) return textFieldNode(known, key, operator, value);
  const range = parseRange(known.values, key, value.text);
  if ('problem' in range) return range;
  if (known.values === 'duration' && isEquality) {
    const suggestion = `${key}>=${value.text}`;
    addHint({
      text: `${key}${operator}${value.text} matches only this exact duration; use ${suggestion} for longer ones too`,
      ...(values.length === 1
        ? { at, length: end - at, ...(operator !== '!=' && { suggestion }) }
        : { at: value.at, length: value.end - value.at }),
    });
  }
  return withFallback(name, known.fallback, (one) => rangeNode(one, operator, range));
}
