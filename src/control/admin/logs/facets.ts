// Facets: the most frequent values of several fields, each counted without the conditions of the query on that field.
// Invariant: all facets together are counted within one time limit; a facet that was not read to its end is marked.
import type { ServerResponse } from 'node:http';
import {
  withoutField,
  type CountedField,
  type LogStore,
  type QueryNode,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { COUNT, ranked, valueText } from './counted-values.ts';
import { isClosed } from './paged-search.ts';

/** Time for all facets of a response, in milliseconds. */
const FACETS_MS = 10_000;
const MAX_FACETS = 20;

export interface FacetField extends CountedField {
  /** As the client named it. */
  readonly name: string;
}

/** One facet as clients get it. */
export interface FacetObject {
  readonly field: string;
  /** The most frequent first. */
  readonly values: readonly { readonly value: string; readonly count: number }[];
  /** Further values, and the records that have them. `values` is a lower bound if there are very many. */
  readonly others: { readonly values: number; readonly count: number };
  /** Records without a value. */
  readonly missing: number;
  readonly is_partial: boolean;
}

/** What is wrong with the number of fields. */
export const facetCountProblem = (count: number): string | undefined =>
  count > MAX_FACETS ? `fields: at most ${MAX_FACETS} fields, not ${count}` : undefined;

/** Counts the values of the fields. Returns `undefined` if the client has left. */
export async function countFacets(
  logs: Pick<LogStore, 'group'>,
  query: TimeRange & { readonly node: QueryNode },
  fields: readonly FacetField[],
  top: number,
  res: ServerResponse,
): Promise<FacetObject[] | undefined> {
  const untilMs = performance.now() + FACETS_MS;
  const facets: FacetObject[] = [];
  for (const [i, field] of fields.entries()) {
    const { groups, others, isPartial } = await logs.group(
      { ...query, node: withoutField(query.node, field), by: [{ field: field.key }], measures: COUNT },
      {
        timeoutMs: Math.max(0, untilMs - performance.now()) / (fields.length - i),
        isWanted: () => !isClosed(res),
      },
    );
    if (isClosed(res)) return undefined;
    const counts = new Map<string, number>();
    for (const { key, values } of groups) {
      const text = valueText(field, key[0]!);
      counts.set(text, (counts.get(text) ?? 0) + values[0]!);
    }
    const missing = counts.get('') ?? 0;
    counts.delete('');
    const values = ranked(counts);
    const rest = values.slice(top);
    facets.push({
      field: field.name,
      values: values.slice(0, top).map(([value, count]) => ({ value, count })),
      others: { values: rest.length, count: rest.reduce((sum, [, n]) => sum + n, others) },
      missing,
      is_partial: isPartial,
    });
  }
  return facets;
}
