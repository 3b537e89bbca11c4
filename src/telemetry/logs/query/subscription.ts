// A subscription of an exporter: which records it receives.
import type { RecordKind } from '../log-record.ts';
import type { QueryNode } from './query-node.ts';
import { parseQuery } from './parse.ts';

export interface Subscription {
  readonly kinds: readonly RecordKind[];
  /** Minimum severity; 0: all records, also those without a severity. */
  readonly minSeverity: number;
  /** Text of the query bar; empty: all records. */
  readonly query: string;
}

/** The subscription as a query. `problem`: what is wrong with its text, to follow the name of the setting. */
export function subscriptionNode({
  kinds,
  minSeverity,
  query,
}: Subscription): { node: QueryNode } | { problem: string } {
  const parsed = parseQuery(query);
  if ('problem' in parsed) return { problem: `is invalid at character ${parsed.at + 1}: ${parsed.problem}` };
  const of: QueryNode[] = [
    { op: 'or', of: kinds.map((value): QueryNode => ({ op: 'field', name: 'kind', compare: '=', value })) },
    parsed.node,
  ];
  if (minSeverity > 0) of.push({ op: 'field', name: 'severity', compare: '>=', value: minSeverity });
  return { node: { op: 'and', of } };
}
