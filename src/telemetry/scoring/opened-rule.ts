// A rule in the scoring thread: its filters are compiled, and its scorers are open.
import { openRowFilter, type RowFilter } from '../btql/btql.ts';
import { parseQuery, projectSource, type QueryNode } from '../logs/logs.ts';
import type { RuleConfig, ScoringRule } from './rule.ts';
import type { Scorer } from './scorer.ts';
import type { ScorerDefinition } from './scorer-definition.ts';

/** A scorer of a rule. */
export interface RuleScorer {
  readonly definition: ScorerDefinition;
  readonly scorer: Scorer;
}

export interface OpenedRule {
  readonly id: string;
  readonly name: string;
  readonly projectId: string | null;
  readonly config: RuleConfig;
  /** Finds the records that the rule may be for. */
  readonly node: QueryNode;
  /** The filter of BTQL; `undefined`: there is none. */
  readonly test: RowFilter['test'] | undefined;
  readonly scorers: readonly RuleScorer[];
}

const equals = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** Opens a rule that was checked before. */
export function openRule(
  { id, name, projectId, config }: ScoringRule,
  scorers: readonly RuleScorer[],
): OpenedRule {
  const isOfSpans = config.source === 'spans';
  const filter = config.btql_filter === null ? undefined : openRowFilter(config.btql_filter);
  const query = config.filter === null ? undefined : parseQuery(config.filter);
  if (filter && 'problem' in filter) throw new Error(`btql_filter: ${filter.problem}`);
  if (query && 'problem' in query) throw new Error(`filter: ${query.problem}`);
  const of: QueryNode[] = isOfSpans
    ? [
        equals('kind', 'span'),
        equals('source', projectSource(projectId ?? '')),
        { op: 'not', of: equals('span_attributes.type', 'score') },
      ]
    : [equals('kind', 'request')];
  // The fields of a request have other names than those of its row.
  if (isOfSpans && filter?.node) of.push(filter.node);
  if (query) of.push(query.node);
  return { id, name, projectId, config, node: { op: 'and', of }, test: filter?.test, scorers };
}
