// What is stored of the scores of a record: a span for each scorer, and the scores in the row or beside the request.
// Invariant: the same scorer of a rule has the same span for a row each time, so that a repeat stores no second one.
// Source: docs/contracts/scoring.md 3.
import { hash } from 'node:crypto';
import { annotationRecord, type LogRecord } from '../logs/logs.ts';
import type { OpenedRule, RuleScorer } from './opened-rule.ts';
import type { ScorerRun } from './run-scorers.ts';
import type { Score, ScorerCost } from './scorer.ts';
import type { ScoredRecord } from './scored-record.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Characters of one field of the scored row in a scorer's span, as JSON. The row itself has all of it. */
const MAX_FIELD = 16_384;
/** Levels of lists and objects in it. */
const MAX_DEPTH = 32;

const scorerKey = ({ definition }: RuleScorer): string => JSON.stringify(definition);

/** Source of the annotations of a rule, by which they are found again. */
export const annotationSource = (ruleId: string): string => `scoring:${ruleId}`;

/** The scores of all scorers, by name. A later one of a name counts. */
export function scoresOf(runs: readonly ScorerRun[]): Record<string, number> {
  const scores: Record<string, number> = {};
  for (const { result } of runs)
    for (const { name, score } of result.kind === 'scored' ? result.scores : [])
      if (score !== null) scores[name] = score;
  return scores;
}

/** A value, or the beginning of its JSON if that is long or deep. */
function bounded(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value);
  if (text.length > MAX_FIELD) return `${text.slice(0, MAX_FIELD).toWellFormed()}…`;
  return isDeeper(value, MAX_DEPTH) ? text : value;
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1)));

const spanMetrics = ({ result, startMs, endMs }: ScorerRun): Fields => {
  const { inputTokens, outputTokens, amount }: Partial<ScorerCost> = result.cost ?? {};
  return {
    start: startMs / 1000,
    end: endMs / 1000,
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    tokens: inputTokens === undefined || outputTokens === undefined ? undefined : inputTokens + outputTokens,
    estimated_cost: amount,
  };
};

const outputOf = (scores: readonly Score[]): unknown => (scores.length === 1 ? scores[0] : scores);

/** The span of a scorer, below the scored one. */
function scorerSpan(rule: OpenedRule, { row, input }: ScoredRecord, run: ScorerRun): Fields {
  const { scorer, result, startMs } = run;
  const id = hash('sha256', JSON.stringify([rule.id, scorerKey(scorer), row['id']])).slice(0, 32);
  const scores = result.kind === 'scored' ? result.scores : [];
  return {
    id,
    project_id: row['project_id'],
    created: new Date(startMs).toISOString(),
    root_span_id: row['root_span_id'],
    span_parents: [row['span_id']],
    span_attributes: { name: scorer.scorer.name, type: 'score', purpose: 'scorer' },
    input: {
      input: bounded(input.input),
      output: bounded(input.output),
      expected: bounded(input.expected),
      metadata: bounded(input.metadata),
    },
    output: result.kind === 'scored' ? bounded(outputOf(scores)) : null,
    error: result.kind === 'scored' ? null : result.reason,
    scores: Object.fromEntries(scores.map(({ name, score }) => [name, score])),
    metadata: { rule: rule.name, rule_id: rule.id },
    metrics: spanMetrics(run),
  };
}

/**
 * The rows that store the scores of a row, in the order in which they must be stored: what is in the last one says that the
 * rule has scored it. If no scorer gave a score, there is no such row, so that the row can be scored later.
 */
export function rowsOfScores(rule: OpenedRule, scored: ScoredRecord, runs: readonly ScorerRun[]): Fields[] {
  const rows = rule.config.skip_logging ? [] : runs.map((run) => scorerSpan(rule, scored, run));
  if (!hasScore(runs)) return rows;
  const { id, project_id: project } = scored.row;
  const mark = { _scored_by: rule.id, _scored_base: scored.base };
  return [...rows, { id, project_id: project, ...mark, scores: scoresOf(runs) }];
}

/** True if a scorer gave an answer, also one without a score. */
export const hasScore = (runs: readonly ScorerRun[]): boolean =>
  runs.some(({ result }) => result.kind === 'scored');

/** The annotation that stores the scores of a request. */
export function annotationOfScores(
  rule: OpenedRule,
  { record }: ScoredRecord,
  runs: readonly ScorerRun[],
): LogRecord {
  const { deployment, environment, replica, requestId } = record;
  const origin = { deployment, environment, replica, source: annotationSource(rule.id) };
  const made = annotationRecord({ requestId }, { scores: scoresOf(runs) }, origin);
  if ('invalid' in made) throw new Error(`the scores of a request cannot be stored: ${made.invalid}`);
  return made;
}
