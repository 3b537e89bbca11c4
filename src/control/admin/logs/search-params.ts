// Parses the query string of the log routes.
// Invariant: an unknown, repeated or invalid parameter is an error, since an ignored filter would give wrong results.
import { traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { unknownName } from '../../../core/nearest-name.ts';
import { EARLIEST_NS, invalidTime, LATEST_NS, parseTime } from '../../../core/time.ts';
import { invalidDuration, parseDurationNs } from '../../../core/units.ts';
import {
  FILTERS,
  KINDS,
  contractQuery,
  parseTimePlace,
  type LogStore,
  type Place,
  type QueryHint,
  type QueryNode,
  type TimePlace,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import type { ParamProblem } from '../endpoint.ts';

/** A parsed query. Times are nanoseconds, both inclusive. */
export interface SearchParams {
  readonly node: QueryNode;
  /** Hints about parts of the query that may not be meant. */
  readonly hints: readonly QueryHint[];
  readonly span: TimeRange;
  /** Text of a parameter of the route itself. */
  readonly own: (name: string) => string | undefined;
}

/** All problems of the query string. */
export interface ParamError {
  readonly problems: readonly (string | ParamProblem)[];
}

/** Longest step of a count over time, in days: times that are multiples of it can be shown. */
export const MAX_STEP_DAYS = 10_000;
export const stepTooLong = `step: must be at most ${MAX_STEP_DAYS}d`;

const TIMES = ['since', 'start', 'end'] as const;
/** Parameter → field of the record. */
const FIELDS: Readonly<Record<string, string>> = {
  trace_id: 'traceId',
  environment: 'environment',
  env: 'environment',
  deployment: 'deployment',
  source: 'source',
  pod: 'pod',
  kind: 'kind',
};
/** Parameters of all log routes. */
export const COMMON_PARAMS: readonly string[] = ['q', ...TIMES, ...FILTERS, ...Object.keys(FIELDS)];
/** Parameters that may be repeated, also as `name[]`. */
const REPEATED: ReadonlySet<string> = new Set(['includes', 'excludes', 'kind']);

const isEqual = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** Condition on a field of the record. */
function fieldNode(
  name: string,
  values: readonly string[],
  problems: (string | ParamProblem)[],
): QueryNode | undefined {
  if (name === 'kind') {
    const kinds = values.flatMap((value) => value.toLowerCase().split(','));
    const wrong = kinds.find((kind) => !KINDS.some((known) => known === kind));
    if (wrong !== undefined)
      problems.push(`kind: unknown kind ${JSON.stringify(wrong)}; known kinds: ${KINDS.join(', ')}`);
    return { op: 'or', of: kinds.map((kind) => isEqual('kind', kind)) };
  }
  // The text of a client whose trace ids have another form.
  const value = name === 'trace_id' ? traceIdOfText(values[0]!).id : values[0]!;
  if (values[0]!.length > 256) problems.push(`${name}: must have at most 256 characters`);
  return isEqual(FIELDS[name]!, value);
}

/** Parses a query string. `own`: further parameters of the route. `sinceNs`: default time span. */
export function readSearchParams(
  query: URLSearchParams,
  own: readonly string[],
  nowNs: bigint,
  sinceNs?: bigint,
): SearchParams | ParamError {
  const problems: (string | ParamProblem)[] = [];
  const known = [...COMMON_PARAMS, ...own];
  const given = new Map<string, string[]>();
  for (const [raw, value] of query) {
    const name = raw.endsWith('[]') && REPEATED.has(raw.slice(0, -2)) ? raw.slice(0, -2) : raw;
    const values = given.get(name);
    if (values) values.push(value);
    else given.set(name, [value]);
    if (values === undefined && !known.includes(name)) {
      problems.push(unknownName('parameter', name, known));
    } else if (values?.length === 2 && !REPEATED.has(name)) problems.push(`${name} is given more than once`);
  }
  const one = (name: string): string | undefined => {
    const value = given.get(name)?.[0];
    return value === '' ? undefined : value;
  };

  const filter = contractQuery({
    ...Object.fromEntries(['q', ...FILTERS].map((name) => [name, one(name)])),
    includes: given.get('includes'),
    excludes: given.get('excludes'),
  });
  const nodes: QueryNode[] = [];
  for (const name of Object.keys(FIELDS)) {
    const node = one(name) === undefined ? undefined : fieldNode(name, given.get(name)!, problems);
    if (node) nodes.push(node);
  }
  if ('problems' in filter)
    for (const { name: param, ...problem } of filter.problems) problems.push({ param, ...problem });
  const span = readSpanOf(one, nowNs, sinceNs, problems);
  if (problems.length > 0 || 'problems' in filter) return { problems };
  if (filter.node.op !== 'all') nodes.unshift(filter.node);
  return { node: allOf(nodes), hints: filter.hints, span, own: one };
}

/** Combines conditions with AND. */
export const allOf = (nodes: readonly QueryNode[]): QueryNode =>
  nodes.length === 0 ? { op: 'all' } : nodes.length === 1 ? nodes[0]! : { op: 'and', of: nodes };

function readSpanOf(
  one: (name: string) => string | undefined,
  nowNs: bigint,
  sinceNs: bigint | undefined,
  problems: (string | ParamProblem)[],
): TimeRange {
  const [since, start, end] = TIMES.map(one);
  const time = (name: string, text: string | undefined): bigint | undefined => {
    const read = text === undefined ? undefined : parseTime(text);
    if (text !== undefined && read === undefined) problems.push(`${name}: ${invalidTime(text)}`);
    return read;
  };
  const toNs = time('end', end) ?? LATEST_NS;
  let fromNs = time('start', start);
  if (since !== undefined) {
    const span = parseDurationNs(since);
    if (start !== undefined || end !== undefined)
      problems.push('since: cannot be combined with start or end');
    else if (span === undefined) problems.push(`since: ${invalidDuration(since)}`);
    else fromNs = max(0n, nowNs - span);
  }
  if (fromNs === undefined && sinceNs !== undefined)
    fromNs = max(0n, (toNs === LATEST_NS ? nowNs : toNs) - sinceNs);
  fromNs ??= EARLIEST_NS;
  if (fromNs > toNs && problems.length === 0) problems.push('end: must not be before start');
  return { fromNs, toNs };
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Value of a parameter that is a whole number, or its default; a text is the problem. */
export function wholeNumberParam(
  { own }: Pick<SearchParams, 'own'>,
  name: string,
  { min, max: most, fallback }: { readonly min: number; readonly max: number; readonly fallback: number },
): number | string {
  const text = own(name);
  if (text === undefined) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= most ? value : `${name}: must be a whole number from ${min} to ${most}`;
}

/** Value of a parameter that is one of `words`; the first one is the default. A text is the problem. */
export function choiceParam<const W extends readonly [string, ...string[]]>(
  { own }: SearchParams,
  name: string,
  words: W,
): { readonly word: W[number] } | string {
  const word = own(name) ?? words[0];
  return words.includes(word) ? { word } : `${name}: must be one of ${words.join(', ')}`;
}

/** Place of a parameter or header; a text is the problem. */
export function placeParam(
  logs: Pick<LogStore, 'readPlace'>,
  name: string,
  text: string | undefined,
): { readonly place: Place | undefined } | string {
  if (text === undefined || text === '') return { place: undefined };
  const place = logs.readPlace(text);
  return place === undefined ? `${name}: must be the id of an event of a live tail` : { place };
}

/** Place of the parameter `cursor`; a text is the problem. */
export function cursorOf(
  logs: Pick<LogStore, 'readPlace'>,
  { own }: SearchParams,
): { readonly after: TimePlace | undefined } | string {
  const cursor = own('cursor');
  if (cursor === undefined) return { after: undefined };
  const text = Buffer.from(cursor, 'base64url').toString();
  const after = parseTimePlace(text, (place) => logs.readPlace(place));
  return after === undefined
    ? 'invalid cursor: it was not issued by this server, or it has expired'
    : { after };
}
