// A question to the record, back to the query bar's text.
// Must stay true: parseQuery(format(node)) asks the same; names and values go out in quotes, so that no text becomes an
// operator on its way.
import { fieldOf, isColumn } from './field-names.ts';
import type { QueryNode } from './query-node.ts';
import { wordsOf } from './words.ts';

const quote = (text: string): string => `"${text.replace(/(["\\])/g, '\\$1')}"`;
/** `\/` for a slash, save where a backslash stands before it already. */
const slashed = (pattern: string): string =>
  pattern === '' ? '(?:)' : pattern.replace(/\\[^]|\//g, (found) => (found === '/' ? '\\/' : found));

/** `durationNs` is a name of nodes alone; every other column is found by its own name. */
function key(name: string): string {
  if (isColumn(name)) return fieldOf(name)?.name === name ? name : name.replace(/Ns$/, '');
  return `@${quote(name.replace(/^@/, ''))}`;
}

const operand = (node: QueryNode): string =>
  node.op === 'and' || node.op === 'or' ? `(${format(node)})` : format(node);

/** The text that asks the same as a node that parseQuery or the contract's parameters made. */
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
      const found = node.words.flatMap(wordsOf);
      return found.length === 0 ? '*' : `${quote(found.join(' '))}${node.isPrefix ? '*' : ''}`;
    }
    case 'substring':
      return node.text === '' ? '*' : `includes:${quote(node.text)}`;
    case 'regex':
      return `/${slashed(node.pattern)}/`;
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
