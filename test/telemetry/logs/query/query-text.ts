// Writes a query as text of the query bar, so that any query can be parsed again.
// Invariant: names and values are quoted, so that no text becomes an operator.
import { findField, isColumn } from '../../../../src/telemetry/logs/query/field-names.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';

const quote = (text: string): string => `"${text.replace(/(["\\])/g, '\\$1')}"`;
/** Writes each slash as `\/`, unless a backslash precedes it. */
const escapeSlashes = (pattern: string): string =>
  pattern === '' ? '(?:)' : pattern.replace(/\\[^]|\//g, (found) => (found === '/' ? '\\/' : found));

/** The query bar knows every column by its own name except `durationNs`. */
function key(name: string): string {
  if (isColumn(name)) return findField(name)?.name === name ? name : name.replace(/Ns$/, '');
  return `@${quote(name.replace(/^@/, ''))}`;
}

const operand = (node: QueryNode): string =>
  node.op === 'and' || node.op === 'or' ? `(${format(node)})` : format(node);

/** Text that parseQuery converts to an equivalent node. */
export function format(node: QueryNode): string {
  switch (node.op) {
    case 'all':
      return '*';
    case 'not':
      return `-${operand(node.of)}`;
    case 'and':
      return node.of.length === 0 ? '*' : node.of.map(operand).join(' ');
    case 'or':
      return node.of.length === 0 ? '-*' : node.of.map(operand).join(' OR ');
    case 'words': {
      const words = node.words.flatMap(wordsOf);
      return words.length === 0 ? '*' : `${quote(words.join(' '))}${node.isPrefix ? '*' : ''}`;
    }
    case 'substring':
      return node.text === '' ? '*' : `includes:${quote(node.text)}`;
    case 'regex':
      return `/${escapeSlashes(node.pattern)}/`;
    case 'exists':
      return `${key(node.name)}:*`;
    case 'field': {
      const { name, compare, value } = node;
      if (compare === 'like') return `${key(name)}=${value}`;
      const unit = name === 'durationNs' ? 'ns' : '';
      return `${key(name)}${compare}${typeof value === 'number' ? `${value}${unit}` : quote(value)}`;
    }
  }
}
