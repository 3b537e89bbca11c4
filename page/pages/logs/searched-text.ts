// What a query searches in texts, as a pattern that marks it.
// Invariant: words behind a negation are not marked; a regular expression of the user is not run here, since it could be slow.
import { parseQuery, type QueryNode } from '../../../src/telemetry/logs/query/grammar.ts';

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const LETTER = String.raw`[\p{L}\p{M}\p{N}_]`;

/** Patterns of a node's words and texts. */
function* patterns(node: QueryNode): Generator<string, undefined> {
  switch (node.op) {
    case 'and':
    case 'or':
      for (const one of node.of) yield* patterns(one);
      return;
    case 'words': {
      // Words of a phrase stand behind each other, with anything but letters between them.
      const words = node.words.map(escaped).join(String.raw`[^\p{L}\p{N}]{1,8}`);
      yield `(?<!${LETTER})${words}${node.isPrefix ? `${LETTER}*` : `(?!${LETTER})`}`;
      return;
    }
    case 'substring':
      yield escaped(node.text);
      return;
    default:
  }
}

/** The pattern of all that a query searches; `undefined`: nothing, or the text cannot be parsed. */
export function searchedText(query: string): RegExp | undefined {
  if (query === '') return undefined;
  const parsed = parseQuery(query);
  if ('problems' in parsed) return undefined;
  const all = [...patterns(parsed.node)];
  return all.length === 0 ? undefined : new RegExp(all.join('|'), 'giu');
}
