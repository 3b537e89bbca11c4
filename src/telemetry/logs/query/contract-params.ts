// Parses the filters of the contract's log API into a query.
// Invariant: limits and meanings are those of docs/contracts/serving.md 8.1, for query strings and JSON bodies alike.
import { unknownName } from '../../../core/nearest-name.ts';
import { severityOfName } from '../severity.ts';
import type { QueryNode } from './query-node.ts';
import type { QueryHint } from './field-filter.ts';
import type { QueryPlace } from './lex.ts';
import { parseQuery, regexProblem } from './parse.ts';
import { allOf } from './parser.ts';

export const FILTERS = [
  'min_level',
  'replica',
  'request_id',
  'component',
  'search_pattern',
  'includes',
  'excludes',
] as const;
type ContractFilter = (typeof FILTERS)[number];

/** An error in one parameter. Only one of `q` has a place. */
interface FilterProblem extends Partial<QueryPlace> {
  readonly name: ContractFilter | 'q';
  readonly problem: string;
}

type ContractQuery =
  | { readonly node: QueryNode; readonly hints: readonly QueryHint[] }
  | { readonly problems: readonly FilterProblem[] };

/** The contract's levels, and the names that other loggers use for them. */
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL'];
/** Maximum length of a single-valued filter, in UTF-16 code units. */
const MAX_LENGTH = 256;
/** Maximum number of texts in `includes` or `excludes`. */
const MAX_TEXTS = 8;
/** Maximum length of one text in `includes` or `excludes`. The contract sets no limit. */
const MAX_TEXT_LENGTH = 4096;

const equals = (name: string) => (value: string) => ({ op: 'field', name, compare: '=', value }) as const;

/** Converts the text of each single-valued filter to a node, or returns an error text. */
const CONVERTERS: Readonly<
  Record<Exclude<ContractFilter, 'includes' | 'excludes'>, (value: string) => QueryNode | string>
> = {
  min_level: (value) =>
    LEVELS.includes(value.toUpperCase())
      ? { op: 'field', name: 'severity', compare: '>=', value: severityOfName(value) }
      : unknownName('level', value, LEVELS),
  replica: equals('replica'),
  request_id: equals('requestId'),
  component: equals('component'),
  search_pattern: (pattern) => regexProblem(pattern) ?? { op: 'regex', pattern },
};

function filterNode(name: keyof typeof CONVERTERS, value: unknown): QueryNode | string {
  if (typeof value !== 'string') return 'must be a string';
  if (value.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters, has ${value.length}`;
  return CONVERTERS[name](value);
}

function textList(value: unknown): readonly string[] | string {
  const list: unknown = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || !list.every((text) => typeof text === 'string'))
    return 'must be a list of strings';
  if (list.length > MAX_TEXTS) return `must have at most ${MAX_TEXTS} strings, has ${list.length}`;
  const tooLong = list.find((text) => text.length > MAX_TEXT_LENGTH);
  if (tooLong !== undefined)
    return `must have strings of at most ${MAX_TEXT_LENGTH} characters, has one of ${tooLong.length}`;
  // Every message contains the empty text, so as an include it filters nothing, and as an exclude it would drop all.
  return list.filter((text) => text !== '');
}

/**
 * Combines `q` (text of the query bar) and the contract's filters: all must match. Values are those of a query string
 * or a JSON body; `undefined`, `null` and empty texts count as not given. `min_level` excludes records without a level.
 */
export function contractQuery(
  given: Readonly<Partial<Record<ContractFilter | 'q', unknown>>>,
): ContractQuery {
  const nodes: QueryNode[] = [];
  const problems: FilterProblem[] = [];
  let hints: readonly QueryHint[] = [];
  for (const name of FILTERS) {
    const value = given[name];
    if (value === undefined || value === null || value === '') continue;
    if (name === 'includes' || name === 'excludes') {
      const texts = textList(value);
      if (typeof texts === 'string') problems.push({ name, problem: texts });
      else
        for (const text of texts) {
          const node = { op: 'substring', text } as const;
          nodes.push(name === 'includes' ? node : { op: 'not', of: node });
        }
    } else {
      const node = filterNode(name, value);
      if (typeof node === 'string') problems.push({ name, problem: node });
      else nodes.push(node);
    }
  }
  const { q } = given;
  if (typeof q === 'string') {
    const parsed = parseQuery(q);
    if ('problem' in parsed) problems.push(...parsed.problems.map((one) => ({ name: 'q' as const, ...one })));
    else {
      hints = parsed.hints;
      if (parsed.node.op !== 'all') nodes.push(parsed.node);
    }
  } else if (q !== undefined && q !== null) problems.push({ name: 'q', problem: 'must be a string' });
  return problems.length > 0 ? { problems } : { node: allOf(nodes), hints };
}
