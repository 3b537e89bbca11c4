// A scoring rule: which spans or requests it scores, and with what. Stored as JSON, in the form of a client.
// Invariant: a rule that was read can be run; all problems are reported at once, as sentences.
// Source: docs/contracts/scoring.md 1.
import { unknownName } from '../../core/nearest-name.ts';
import { openRowFilter } from '../btql/btql.ts';
import { parseQuery } from '../logs/logs.ts';
import { parseScorer, type ScorerDefinition, type ScorerProblems } from './scorer-definition.ts';

/** What a rule scores: rows of its project, or requests that weir served. */
export const RULE_SOURCES = ['spans', 'requests'] as const;
export type RuleSource = (typeof RULE_SOURCES)[number];

/** `config.online` of a rule. `null`: not set. */
export interface RuleConfig {
  readonly source: RuleSource;
  /** Part of the traces that are scored, 0 to 1. */
  readonly sampling_rate: number;
  readonly scorers: readonly ScorerDefinition[];
  /** A condition of BTQL. */
  readonly btql_filter: string | null;
  /** A query in the language of `q`. */
  readonly filter: string | null;
  readonly apply_to_root_span: boolean | null;
  readonly apply_to_span_names: readonly string[] | null;
  /** The score is in the scored row only, not in a span of its own. */
  readonly skip_logging: boolean;
  readonly scope: { readonly type: 'span' };
}

export interface ScoringRule {
  readonly id: string;
  /** Id of its project; `null`: a rule over requests that is in none. */
  readonly projectId: string | null;
  readonly name: string;
  readonly description: string | null;
  readonly createdMs: number;
  readonly config: RuleConfig;
}

/** What a client may set. */
export type RuleContent = Pick<ScoringRule, 'name' | 'description' | 'config'>;

/** Limits of a rule. */
const LIMITS = { name: 256, description: 2000, scorers: 20, spanNames: 100, filter: 16_384 } as const;
const FIELDS = [
  'source',
  'sampling_rate',
  'scorers',
  'btql_filter',
  'filter',
  'apply_to_root_span',
  'apply_to_span_names',
  'skip_logging',
  'scope',
] as const satisfies readonly (keyof RuleConfig)[];

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads name, description and configuration of a rule. */
export function parseRule(value: unknown): RuleContent | ScorerProblems {
  const { name, description = null, score_type: type = 'online', config } = isObject(value) ? value : {};
  const problems: string[] = [];
  if (typeof name !== 'string' || name === '' || name.length > LIMITS.name)
    problems.push(`name: must be a text of 1 to ${LIMITS.name} characters`);
  if (description !== null && (typeof description !== 'string' || description.length > LIMITS.description))
    problems.push(`description: must be a text of at most ${LIMITS.description} characters, or null`);
  if (type !== 'online')
    problems.push(
      `score_type: ${shown(type)} is not supported; weir has rules of online scoring, which are "online". Scores that people give are feedback of rows`,
    );
  const online = isObject(config) ? config['online'] : undefined;
  const read = isObject(online)
    ? parseConfig(online)
    : { problems: ['config.online: must be an object with sampling_rate and scorers'] };
  if ('problems' in read) return { problems: [...problems, ...read.problems] };
  if (problems.length > 0) return { problems };
  return { name: name as string, description: description as string | null, config: read };
}

function parseConfig(online: Fields): RuleConfig | ScorerProblems {
  const {
    source = 'spans',
    sampling_rate: rate,
    scorers,
    btql_filter: btql,
    filter,
    apply_to_root_span: roots,
    apply_to_span_names: names,
    skip_logging: skipsLogging,
    scope,
  } = online;
  const problems: string[] = [];
  const unknown = Object.keys(online)
    .filter((key) => !(FIELDS as readonly string[]).includes(key))
    .map((key) => `config.online: ${unknownName('field', key, FIELDS)}`);
  if (!RULE_SOURCES.includes(source as RuleSource))
    problems.push(`source: ${shown(source)} is not supported; use one of ${RULE_SOURCES.join(', ')}`);
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
    problems.push('sampling_rate: must be a number from 0 to 1');
  const read = readScorers(scorers, problems);
  problems.push(...filterProblems(btql, filter));
  for (const [name, flag] of [
    ['apply_to_root_span', roots],
    ['skip_logging', skipsLogging],
  ] as const)
    if ((flag ?? null) !== null && typeof flag !== 'boolean') problems.push(`${name}: must be true or false`);
  if ((names ?? null) !== null && !isNames(names))
    problems.push(`apply_to_span_names: must be a list of 1 to ${LIMITS.spanNames} names of spans`);
  if (source === 'requests' && (roots || (names ?? null) !== null))
    problems.push('apply_to_root_span, apply_to_span_names: a rule over requests chooses them by filter');
  problems.push(...scopeProblems(scope));
  if (problems.length + unknown.length > 0)
    return { problems: [...unknown, ...problems.map((problem) => `config.online.${problem}`)] };
  return {
    source: source as RuleSource,
    sampling_rate: rate as number,
    scorers: read,
    btql_filter: textOrNull(btql),
    filter: textOrNull(filter),
    apply_to_root_span: (roots ?? null) as boolean | null,
    apply_to_span_names: (names ?? null) as string[] | null,
    skip_logging: skipsLogging === true,
    scope: { type: 'span' },
  };
}

function readScorers(given: unknown, problems: string[]): ScorerDefinition[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > LIMITS.scorers) {
    problems.push(`scorers: must be a list of 1 to ${LIMITS.scorers} scorers`);
    return [];
  }
  const read: ScorerDefinition[] = [];
  const known = new Set<string>();
  for (const [i, one] of given.entries()) {
    const scorer = parseScorer(one, `scorers[${i}]`);
    if ('problems' in scorer) problems.push(...scorer.problems);
    else if (known.has(JSON.stringify(scorer))) problems.push(`scorers[${i}]: is in the list twice`);
    else read.push(scorer);
    known.add(JSON.stringify(scorer));
  }
  return read;
}

const textOrNull = (value: unknown): string | null =>
  typeof value === 'string' && value.trim() !== '' ? value : null;

function filterProblems(btql: unknown, filter: unknown): string[] {
  const problems: string[] = [];
  for (const [name, text] of [
    ['btql_filter', btql],
    ['filter', filter],
  ] as const) {
    if ((text ?? null) === null) continue;
    if (typeof text !== 'string') problems.push(`${name}: must be a text`);
    else if (text.length > LIMITS.filter)
      problems.push(`${name}: must have at most ${LIMITS.filter} characters`);
    else if (text.trim() !== '') problems.push(...(name === 'filter' ? ofQuery(text) : ofBtql(text)));
  }
  return problems;
}

function ofBtql(text: string): string[] {
  const filter = openRowFilter(text);
  if (!('problem' in filter)) return [];
  const { problem, position } = filter;
  const place = position === undefined ? '' : ` at line ${position.line}, column ${position.column}`;
  return [`btql_filter: is invalid${place}: ${problem}`];
}

function ofQuery(text: string): string[] {
  const parsed = parseQuery(text);
  return 'problem' in parsed ? [`filter: is invalid at character ${parsed.at + 1}: ${parsed.problem}`] : [];
}

const isNames = (names: unknown): names is string[] =>
  Array.isArray(names) &&
  names.length > 0 &&
  names.length <= LIMITS.spanNames &&
  names.every((name) => typeof name === 'string' && name !== '');

function scopeProblems(scope: unknown): string[] {
  if ((scope ?? null) === null) return [];
  const type = isObject(scope) ? scope['type'] : undefined;
  if (type === 'span') return [];
  if (type === 'trace' || type === 'group')
    return [`scope: ${type} is not supported; weir scores single spans, which is {"type": "span"}`];
  return ['scope: must be {"type": "span"}'];
}

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 80);
