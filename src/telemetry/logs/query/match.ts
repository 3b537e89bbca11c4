// Compiles a query to a function that matches records: for search, live tail, download and exporters alike.
// Invariant: the attributes of a record are parsed only if the query needs them, and at most once.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { isColumn } from './field-names.ts';
import {
  attributeAt,
  attributePath,
  messageTest,
  presenceTest,
  valueTest,
  type ValueTest,
} from './field-test.ts';
import type { QueryNode } from './query-node.ts';
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

/** Tests the value that the record has in the column or the attribute with this name. */
function fieldTest(name: string, matches: ValueTest): Test {
  if (isColumn(name)) {
    const column = name as keyof LogRecord;
    return ({ record }) => matches(record[column]);
  }
  const path = attributePath(name);
  return (current) =>
    matches(current.record.attributes === '' ? undefined : attributeAt(current.attributes(), path));
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
    case 'regex': {
      const matches = messageTest(node);
      return ({ record }) => matches(record.message);
    }
    case 'exists':
      return fieldTest(node.name, presenceTest(node.name));
    case 'field':
      return fieldTest(node.name, valueTest(node));
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
