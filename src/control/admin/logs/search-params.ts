// What a client of the log routes asks, read from the query string.
// Must stay true: a parameter that is not known, given twice or wrong is said to be so, all mistakes at once; none is
// ignored, for a filter that is quietly left out shows what nobody asked for.
import { unknownName } from '../../../core/nearest-name.ts';
import {
  FILTERS,
  KINDS,
  parsePosition,
  contractQuery,
  type QueryNode,
  type PagePosition,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { EARLIEST_NS, LATEST_NS, readSpan, readTime } from './time.ts';

/** A question to the record. Times in nanoseconds, both inclusive. */
export interface SearchParams {
  readonly node: QueryNode;
  /** What may not have been meant. */
  readonly hints: readonly string[];
  readonly span: TimeRange;
  /** What the route itself knows, as it was given. */
  readonly own: (name: string) => string | undefined;
}

/** What is wrong, in words. */
export interface ParamError {
  readonly problems: readonly string[];
}

const TIMES = ['since', 'start', 'end'] as const;
/** Parameter → field of the record. */
const FIELDS: Readonly<Record<string, string>> = {
  trace_id: 'traceId',
  environment: 'environment',
  env: 'environment',
  deployment: 'deployment',
  source: 'source',
  kind: 'kind',
};
/** Parameters that all questions to the record have. */
export const COMMON_PARAMS: readonly string[] = ['q', ...TIMES, ...FILTERS, ...Object.keys(FIELDS)];
/** May be given more than once, also with [] behind the name. */
const REPEATED: ReadonlySet<string> = new Set(['includes', 'excludes', 'kind']);

const isEqual = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** The part of a record's own fields. */
function fieldNode(name: string, values: readonly string[], problems: string[]): QueryNode | undefined {
  if (name === 'kind') {
    const kinds = values.flatMap((value) => value.toLowerCase().split(','));
    const wrong = kinds.find((kind) => !KINDS.some((known) => known === kind));
    if (wrong !== undefined) problems.push(`kind: ${wrong} is none; there are ${KINDS.join(', ')}`);
    return { op: 'or', of: kinds.map((kind) => isEqual('kind', kind)) };
  }
  const value = name === 'trace_id' ? values[0]!.toLowerCase() : values[0]!;
  if (value.length > 256) problems.push(`${name}: must have at most 256 characters`);
  return isEqual(FIELDS[name]!, value);
}

/** Reads a question. `own`: names of the parameters that the route has besides. `sinceNs`: the default time span. */
export function readSearchParams(
  query: URLSearchParams,
  own: readonly string[],
  nowNs: bigint,
  sinceNs?: bigint,
): SearchParams | ParamError {
  const problems: string[] = [];
  const known = [...COMMON_PARAMS, ...own];
  const given = new Map<string, string[]>();
  for (const [raw, value] of query) {
    const name = raw.endsWith('[]') && REPEATED.has(raw.slice(0, -2)) ? raw.slice(0, -2) : raw;
    const values = given.get(name);
    if (values) values.push(value);
    else given.set(name, [value]);
    if (values === undefined && !known.includes(name)) {
      problems.push(unknownName('parameter', name, known));
    } else if (values?.length === 2 && !REPEATED.has(name)) problems.push(`${name} is given twice`);
  }
  const one = (name: string): string | undefined => {
    const value = given.get(name)?.[0];
    return value === '' ? undefined : value;
  };

  const asked = contractQuery({
    ...Object.fromEntries(['q', ...FILTERS].map((name) => [name, one(name)])),
    includes: given.get('includes'),
    excludes: given.get('excludes'),
  });
  const nodes: QueryNode[] = [];
  for (const name of Object.keys(FIELDS)) {
    const node = one(name) === undefined ? undefined : fieldNode(name, given.get(name)!, problems);
    if (node) nodes.push(node);
  }
  if ('problems' in asked)
    for (const { name, problem, at } of asked.problems)
      problems.push(`${name}: ${problem}${at === undefined ? '' : ` (at character ${at + 1})`}`);
  const span = readSpanOf(one, nowNs, sinceNs, problems);
  if (problems.length > 0 || 'problems' in asked) return { problems };
  if (asked.node.op !== 'all') nodes.unshift(asked.node);
  return { node: both(nodes), hints: asked.hints, span, own: one };
}

/** What is wrong with the query string of a route that has no parameters. */
export const refuseAll = (query: URLSearchParams): string[] =>
  [...new Set(query.keys())].map((name) => unknownName('parameter', name, []));

/** All must hold. */
export const both = (nodes: readonly QueryNode[]): QueryNode =>
  nodes.length === 0 ? { op: 'all' } : nodes.length === 1 ? nodes[0]! : { op: 'and', of: nodes };

function readSpanOf(
  one: (name: string) => string | undefined,
  nowNs: bigint,
  sinceNs: bigint | undefined,
  problems: string[],
): TimeRange {
  const [since, start, end] = TIMES.map(one);
  const time = (name: string, text: string | undefined): bigint | undefined => {
    const read = text === undefined ? undefined : readTime(text);
    if (text !== undefined && read === undefined)
      problems.push(
        `${name}: ${text.slice(0, 60)} is no time; write 2026-11-20T16:52:26.510Z, or the seconds, ms, µs or ns since 1970`,
      );
    return read;
  };
  const toNs = time('end', end) ?? LATEST_NS;
  let fromNs = time('start', start);
  if (since !== undefined) {
    const span = readSpan(since);
    if (start !== undefined || end !== undefined)
      problems.push('since: goes back from now; it does not go together with start or end');
    else if (span === undefined)
      problems.push(`since: ${since.slice(0, 60)} is no time span; write 90s, 30m, 2h or 3d`);
    else fromNs = max(0n, nowNs - span);
  }
  if (fromNs === undefined && sinceNs !== undefined)
    fromNs = max(0n, (toNs === LATEST_NS ? nowNs : toNs) - sinceNs);
  fromNs ??= EARLIEST_NS;
  if (fromNs > toNs && problems.length === 0) problems.push('end: lies before start');
  return { fromNs, toNs };
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** A whole number of a parameter, or its default. */
export function wholeParam(
  { own }: SearchParams,
  name: string,
  { min, max: most, fallback }: { readonly min: number; readonly max: number; readonly fallback: number },
): number | string {
  const text = own(name);
  if (text === undefined) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= most ? value : `${name}: must be a whole number from ${min} to ${most}`;
}

/** One of a few words, or the first of them. */
export function choiceParam<const W extends readonly [string, ...string[]]>(
  { own }: SearchParams,
  name: string,
  words: W,
): { readonly word: W[number] } | string {
  const word = own(name) ?? words[0];
  return words.includes(word) ? { word } : `${name}: must be one of ${words.join(', ')}`;
}

/** A place in the store that a parameter or header names. */
export function seqOf(name: string, text: string | undefined): number | undefined | string {
  if (text === undefined || text === '') return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : `${name}: must be a place in the record, a whole number`;
}

/** The position that a cursor stands for. */
export function cursorOf({ own }: SearchParams): { readonly position: PagePosition | undefined } | string {
  const text = own('cursor');
  const position =
    text === undefined ? undefined : parsePosition(Buffer.from(text, 'base64url').toString('latin1'));
  return text !== undefined && position === undefined
    ? 'cursor: is none of ours; take the one of the last answer'
    : { position };
}
