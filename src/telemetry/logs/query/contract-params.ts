// The filters of the contract's log API, as a question to the record.
// Must stay true: its limits and meanings are those of contracts/baseten.md 8.1, for a query string and a JSON body alike.
import { unknownName } from '../../../core/nearest-name.ts';
import { severityOfName } from '../severity.ts';
import type { QueryNode } from './query-node.ts';
import { allOf, parseQuery, regexProblem } from './parse.ts';

export const FILTERS = [
  'min_level',
  'replica',
  'request_id',
  'component',
  'search_pattern',
  'includes',
  'excludes',
] as const;
export type ContractFilter = (typeof FILTERS)[number];

/** What is wrong with one of the parameters, in words. */
export interface FilterProblem {
  readonly name: ContractFilter | 'q';
  readonly problem: string;
  /** Of `q`: index into its text. */
  readonly at?: number;
}

export type ContractQuery =
  | { readonly node: QueryNode; readonly hints: readonly string[] }
  | { readonly problems: readonly FilterProblem[] };

/** The contract's levels, and the names that other loggers use for them. */
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL'];
const LONGEST = 256;
const MOST_PARTS = 8;
/** The contract names no limit for a part; nobody looks for a longer text, and a line is not longer than this for free. */
const LONGEST_PART = 4096;

const equals = (name: string) => (value: string) => ({ op: 'field', name, compare: '=', value }) as const;

/** How each text becomes a node, or what is wrong with it. */
const TEXTS: Readonly<
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

function textNode(name: keyof typeof TEXTS, value: unknown): QueryNode | string {
  if (typeof value !== 'string') return 'must be a text';
  if (value.length > LONGEST) return `must have at most ${LONGEST} characters`;
  return TEXTS[name](value);
}

function parts(value: unknown): readonly string[] | string {
  const list: unknown = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || !list.every((part) => typeof part === 'string'))
    return 'must be a list of texts';
  if (list.length > MOST_PARTS) return `must have at most ${MOST_PARTS} texts`;
  if (list.some((part) => part.length > LONGEST_PART))
    return `must have texts of at most ${LONGEST_PART} characters each`;
  // Every message has the empty text in it: as an include it asks for nothing, as an exclude it would drop all.
  return list.filter((part) => part !== '');
}

/**
 * The question that `q` (the query bar's text) and the contract's filters ask together: all must hold. Values are those of
 * a query string or a JSON body; `undefined`, `null` and empty texts are not given. `min_level` drops records without a
 * level.
 */
export function contractQuery(
  given: Readonly<Partial<Record<ContractFilter | 'q', unknown>>>,
): ContractQuery {
  const nodes: QueryNode[] = [];
  const problems: FilterProblem[] = [];
  let hints: readonly string[] = [];
  for (const name of FILTERS) {
    const value = given[name];
    if (value === undefined || value === null || value === '') continue;
    if (name === 'includes' || name === 'excludes') {
      const texts = parts(value);
      if (typeof texts === 'string') problems.push({ name, problem: texts });
      else
        for (const text of texts) {
          const node = { op: 'substring', text } as const;
          nodes.push(name === 'includes' ? node : { op: 'not', of: node });
        }
    } else {
      const node = textNode(name, value);
      if (typeof node === 'string') problems.push({ name, problem: node });
      else nodes.push(node);
    }
  }
  const { q } = given;
  if (typeof q === 'string') {
    const parsed = parseQuery(q);
    if ('problem' in parsed) problems.push({ name: 'q', ...parsed });
    else {
      hints = parsed.hints;
      if (parsed.node.op !== 'all') nodes.push(parsed.node);
    }
  } else if (q !== undefined && q !== null) problems.push({ name: 'q', problem: 'must be a text' });
  return problems.length > 0 ? { problems } : { node: allOf(nodes), hints };
}
