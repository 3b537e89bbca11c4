// Tests the values of fields, which are columns of a record and attributes, and messages: for single records and for groups of records.
// Invariant: match.ts and possible.ts decide with these functions only, so they cannot disagree about a value.
import { parseDate } from '../../../core/time.ts';
import { wildcard } from '../../../core/wildcard.ts';
import { compileRegex } from '../regex.ts';
import { isColumn } from './field-names.ts';
import type { Compare, QueryNode } from './query-node.ts';

/** Tells whether a value meets a condition. A missing attribute is `undefined`. */
export interface ValueTest {
  (value: unknown): boolean;
  /** The same for the text of a time (ISO 8601), by its milliseconds since 1970. */
  readonly ofTime?: (ms: number) => boolean;
}

type FieldNode = Extract<QueryNode, { readonly op: 'field' }>;

/** Name of an attribute in the JSON. In a node it may begin with `@`. */
export const attributePath = (name: string): string => (name.startsWith('@') ? name.slice(1) : name);

/**
 * Looks up a name as a whole, then as a path: `a.b` is also `b` inside `a`. Returns `undefined` if there is no
 * value, or if `object` is not an object.
 */
export function attributeAt(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return undefined;
  if (Object.hasOwn(object, name)) return (object as Record<string, unknown>)[name];
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const head = name.slice(0, dot);
    if (!Object.hasOwn(object, head)) continue;
    const found = attributeAt((object as Record<string, unknown>)[head], name.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The number that is compared with numbers; NaN for a text that is not a number. */
export const numeric = (value: string | number): number =>
  typeof value === 'number' ? value : value.trim() === '' ? Number.NaN : Number(value);

function ordered<T extends string | number>(compare: Compare, expected: T): (value: T) => boolean {
  switch (compare) {
    case '>':
      return (value) => value > expected;
    case '>=':
      return (value) => value >= expected;
    case '<':
      return (value) => value < expected;
    case '<=':
      return (value) => value <= expected;
    default:
      return (value) => value === expected;
  }
}

/** Compares values of any type: texts, numbers and booleans can match, other types never do. */
function comparison(compare: Compare, expected: string | number): ValueTest {
  const asText = compare === 'like' ? wildcard(String(expected)) : ordered(compare, String(expected));
  const asNumber = ordered(compare, numeric(expected));
  const isOrder = compare !== '=' && compare !== 'like';
  return (value) => {
    if (typeof value === 'number') return compare === 'like' ? asText(String(value)) : asNumber(value);
    if (typeof value === 'boolean') return !isOrder && asText(String(value));
    if (typeof value !== 'string') return false;
    return isOrder && typeof expected === 'number' ? asNumber(numeric(value)) : asText(value);
  };
}

function timeTest(compare: Compare, expected: number): ValueTest {
  const ofTime = ordered(compare, expected);
  const test = (value: unknown): boolean => {
    const ms = typeof value === 'string' ? parseDate(value) : undefined;
    return ms !== undefined && ofTime(ms);
  };
  return Object.assign(test, { ofTime });
}

/** Compares a value of a field. Of a list in an attribute, any element may match, unless it is compared as a time. */
export function valueTest({ name, compare, value: expected, as }: FieldNode): ValueTest {
  if (as === 'time') return timeTest(compare, Number(expected));
  const matches = comparison(compare, expected);
  if (isColumn(name)) return (value) => value !== 0 && matches(value);
  return (value) => (Array.isArray(value) ? value.some(matches) : matches(value));
}

/** The texts of all values that meet a condition: a number equals its text. `undefined`: any may meet it. */
export function textsOf({ compare, value, as }: FieldNode): readonly string[] | undefined {
  if (compare !== '=' || as !== undefined) return undefined;
  const number = numeric(value);
  return Number.isNaN(number) ? [String(value)] : [String(value), String(number)];
}

/** Tells whether a value of the field with this name counts as present. */
export const presenceTest = (name: string): ValueTest =>
  isColumn(name) ? (value) => value !== 0 && value !== '' : (value) => value !== undefined && value !== null;

/** Tests a message. Throws `TypeError` for an invalid regular expression, which parse.ts never produces. */
export function messageTest(
  node: Extract<QueryNode, { readonly op: 'substring' | 'regex' }>,
): (message: string) => boolean {
  if (node.op === 'substring') return (message) => message.includes(node.text);
  const regex = compileRegex(node.pattern);
  if (typeof regex === 'string') throw new TypeError(`${regex} (in /${node.pattern}/)`);
  return (message) => regex.test(message);
}
