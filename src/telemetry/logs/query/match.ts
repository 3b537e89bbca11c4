// Whether a record is what a question asks for.
// Must stay true: one answer for a question and a record, whoever asks (search, tail, download, exporters); the question is
// compiled once, and of a record only what is asked for is read, once.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { compileRegex } from '../regex.ts';
import { isColumn } from './field-names.ts';
import type { Compare, QueryNode } from './query-node.ts';
import { phrase } from './phrase.ts';
import { searchable } from './searchable-text.ts';
import { spelled } from './words.ts';

/** A record that is being looked at: what has been read of it already. */
class Look {
  record!: LogRecord;
  #attributes: Record<string, unknown> | undefined;
  #spelled: string | undefined;

  at(record: LogRecord): void {
    this.record = record;
    this.#attributes = this.#spelled = undefined;
  }

  readonly attributes = (): Record<string, unknown> => (this.#attributes ??= attributesOf(this.record));

  spelled(): string {
    return (this.#spelled ??= spelled(searchable(this.record, this.attributes)));
  }
}

type Test = (look: Look) => boolean;

/** The attribute of a name: by its whole name, else inside the one that the name's start names. */
export function attributeAt(from: unknown, name: string): unknown {
  if (typeof from !== 'object' || from === null || Array.isArray(from)) return undefined;
  if (Object.hasOwn(from, name)) return (from as Record<string, unknown>)[name];
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const head = name.slice(0, dot);
    if (!Object.hasOwn(from, head)) continue;
    const found = attributeAt((from as Record<string, unknown>)[head], name.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `*` stands for any text. Each part is looked for once, from left to right: linear in what is found. */
function like(pattern: string): (value: string) => boolean {
  const parts = pattern.split('*');
  const start = parts.shift()!;
  const end = parts.pop();
  if (end === undefined) return (value) => value === start;
  return (value) => {
    if (value.length < start.length + end.length || !value.startsWith(start) || !value.endsWith(end))
      return false;
    let at = start.length;
    for (const part of parts) {
      const found = value.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= value.length - end.length;
  };
}

const numeric = (value: string | number): number =>
  typeof value === 'number' ? value : value.trim() === '' ? Number.NaN : Number(value);

function ordered<T extends string | number>(compare: Compare, wanted: T): (value: T) => boolean {
  switch (compare) {
    case '>':
      return (value) => value > wanted;
    case '>=':
      return (value) => value >= wanted;
    case '<':
      return (value) => value < wanted;
    case '<=':
      return (value) => value <= wanted;
    default:
      return (value) => value === wanted;
  }
}

/** A comparison with a value that may be a text, a number or true and false. */
function comparison(compare: Compare, wanted: string | number): (value: unknown) => boolean {
  const asText = compare === 'like' ? like(String(wanted)) : ordered(compare, String(wanted));
  const asNumber = ordered(compare, numeric(wanted));
  const isOrder = compare !== '=' && compare !== 'like';
  return (value) => {
    if (typeof value === 'number') return compare === 'like' ? asText(String(value)) : asNumber(value);
    if (typeof value === 'boolean') return !isOrder && asText(String(value));
    if (typeof value !== 'string') return false;
    return isOrder && typeof wanted === 'number' ? asNumber(numeric(value)) : asText(value);
  };
}

function fieldTest(name: string, compare: Compare, wanted: string | number): Test {
  const keeps = comparison(compare, wanted);
  if (isColumn(name)) {
    const column = name as keyof LogRecord;
    return ({ record }) => {
      const value = record[column];
      return value !== 0 && keeps(value);
    };
  }
  const path = name.startsWith('@') ? name.slice(1) : name;
  return (look) => {
    if (look.record.attributes === '') return false;
    const value = attributeAt(look.attributes(), path);
    return Array.isArray(value) ? value.some(keeps) : keeps(value);
  };
}

function existsTest(name: string): Test {
  if (isColumn(name)) {
    const column = name as keyof LogRecord;
    return ({ record }) => record[column] !== 0 && record[column] !== '';
  }
  const path = name.startsWith('@') ? name.slice(1) : name;
  return (look) => (attributeAt(look.attributes(), path) ?? undefined) !== undefined;
}

function test(node: QueryNode): Test {
  switch (node.op) {
    case 'all':
      return () => true;
    case 'and': {
      const tests = node.of.map(test);
      return (look) => tests.every((keeps) => keeps(look));
    }
    case 'or': {
      const tests = node.of.map(test);
      return (look) => tests.some((keeps) => keeps(look));
    }
    case 'not': {
      const keeps = test(node.of);
      return (look) => !keeps(look);
    }
    case 'words': {
      const stands = phrase(node.words, node.isPrefix);
      return (look) => stands(look.spelled());
    }
    case 'substring':
      return ({ record }) => record.message.includes(node.text);
    case 'regex': {
      const regex = compileRegex(node.pattern);
      if (typeof regex === 'string') throw new TypeError(`no regular expression: ${node.pattern}: ${regex}`);
      return ({ record }) => regex.test(record.message);
    }
    case 'exists':
      return existsTest(node.name);
    case 'field':
      return fieldTest(node.name, node.compare, node.value);
  }
}

/**
 * The question, ready to be asked of records. Throws `TypeError` for a regular expression that parse.ts would have
 * refused.
 */
export function compile(node: QueryNode): (record: LogRecord) => boolean {
  const keeps = test(node);
  const look = new Look();
  return (record) => {
    look.at(record);
    return keeps(look);
  };
}
