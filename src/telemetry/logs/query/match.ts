// Compiles a query to a function that matches records: for search, live tail, download and exporters alike.
// Invariant: the attributes of a record are parsed only if the query needs them, and at most once.
import { wildcard } from '../../../core/wildcard.ts';
import { attributesOf, type LogRecord } from '../log-record.ts';
import { compileRegex } from '../regex.ts';
import { isColumn } from './field-names.ts';
import type { Compare, QueryNode } from './query-node.ts';
import { phraseMatcher } from './phrase.ts';
import { searchableText } from './searchable-text.ts';
import { normalizeText } from './words.ts';

/** The record that is being matched, with the parts that have been parsed so far. */
class CurrentRecord {
  record!: LogRecord;
  #attributes: Record<string, unknown> | undefined;
  #normalizedText: string | undefined;

  set(record: LogRecord): void {
    this.record = record;
    this.#attributes = this.#normalizedText = undefined;
  }

  readonly attributes = (): Record<string, unknown> => (this.#attributes ??= attributesOf(this.record));

  normalizedText(): string {
    return (this.#normalizedText ??= normalizeText(searchableText(this.record, this.attributes)));
  }
}

type Test = (current: CurrentRecord) => boolean;

/** Looks up a name as a whole, then as a path: `a.b` is also `b` inside `a`. */
function attributeAt(object: unknown, name: string): unknown {
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

const numeric = (value: string | number): number =>
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
function comparison(compare: Compare, expected: string | number): (value: unknown) => boolean {
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

function fieldTest(name: string, compare: Compare, expected: string | number): Test {
  const matches = comparison(compare, expected);
  if (isColumn(name)) {
    const column = name as keyof LogRecord;
    return ({ record }) => {
      const value = record[column];
      return value !== 0 && matches(value);
    };
  }
  const path = name.startsWith('@') ? name.slice(1) : name;
  return (current) => {
    if (current.record.attributes === '') return false;
    const value = attributeAt(current.attributes(), path);
    return Array.isArray(value) ? value.some(matches) : matches(value);
  };
}

function existsTest(name: string): Test {
  if (isColumn(name)) {
    const column = name as keyof LogRecord;
    return ({ record }) => record[column] !== 0 && record[column] !== '';
  }
  const path = name.startsWith('@') ? name.slice(1) : name;
  return (current) => (attributeAt(current.attributes(), path) ?? undefined) !== undefined;
}

function test(node: QueryNode): Test {
  switch (node.op) {
    case 'all':
      return () => true;
    case 'and': {
      const tests = node.of.map(test);
      return (current) => tests.every((matches) => matches(current));
    }
    case 'or': {
      const tests = node.of.map(test);
      return (current) => tests.some((matches) => matches(current));
    }
    case 'not': {
      const matches = test(node.of);
      return (current) => !matches(current);
    }
    case 'words': {
      const contains = phraseMatcher(node.words, node.isPrefix);
      return (current) => contains(current.normalizedText());
    }
    case 'substring':
      return ({ record }) => record.message.includes(node.text);
    case 'regex': {
      const regex = compileRegex(node.pattern);
      if (typeof regex === 'string') throw new TypeError(`${regex} (in /${node.pattern}/)`);
      return ({ record }) => regex.test(record.message);
    }
    case 'exists':
      return existsTest(node.name);
    case 'field':
      return fieldTest(node.name, node.compare, node.value);
  }
}

/**
 * Returns a function that tells whether a record matches. Throws `TypeError` for an invalid regular expression, which
 * parse.ts never produces.
 */
export function compile(node: QueryNode): (record: LogRecord) => boolean {
  const matches = test(node);
  const current = new CurrentRecord();
  return (record) => {
    current.set(record);
    return matches(current);
  };
}
