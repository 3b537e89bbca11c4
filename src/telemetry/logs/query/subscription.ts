// What somebody wants to be given as it comes: kinds of records, from some level on, in the language of the search.
import type { RecordKind } from '../log-record.ts';
import type { QueryNode } from './query-node.ts';
import { parseQuery } from './parse.ts';

export interface Subscription {
  readonly kinds: readonly RecordKind[];
  /** Least severity; 0: all records, those without one too. */
  readonly minSeverity: number;
  /** In the language of the search; empty: all. */
  readonly query: string;
}

/** The question, or what is wrong with its query, as the end of a sentence. */
export function subscriptionNode({
  kinds,
  minSeverity,
  query,
}: Subscription): { node: QueryNode } | { problem: string } {
  const parsed = parseQuery(query);
  if ('problem' in parsed) return { problem: `${parsed.problem} (at character ${parsed.at + 1})` };
  const of: QueryNode[] = [
    { op: 'or', of: kinds.map((value): QueryNode => ({ op: 'field', name: 'kind', compare: '=', value })) },
    parsed.node,
  ];
  if (minSeverity > 0) of.push({ op: 'field', name: 'severity', compare: '>=', value: minSeverity });
  return { node: { op: 'and', of } };
}
