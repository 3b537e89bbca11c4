// Facets: the most frequent values of several fields, each counted without the conditions of the query on that field.
// Invariant: all facets together are counted within one time limit; a facet that was not read to its end is marked.
import type { ServerResponse } from 'node:http';
import {
  withoutField,
  type CountedField,
  type GroupResult,
  type LogStore,
  type QueryNode,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { COUNT, ranked, valueText } from './counted-values.ts';
import { isClosed } from './paged-search.ts';
import type { FacetObject } from './search-json.ts';

/** Time for all facets of a response, in milliseconds. */
const FACETS_MS = 10_000;
const MAX_FACETS = 20;

export interface FacetField extends CountedField {
  /** As the client named it. */
  readonly name: string;
}

/** What is wrong with the number of fields. */
export const facetCountProblem = (count: number): string | undefined =>
  count > MAX_FACETS ? `fields: at most ${MAX_FACETS} fields, not ${count}` : undefined;

/** Fields with few values: those that are counted for the same query are read together. */
const FEW: ReadonlySet<string> = new Set([
  'level',
  'status',
  'kind',
  'replica',
  'environment',
  'deployment',
  'source',
  'cause',
]);

/** Keys of one group query (telemetry/logs/query/group-query.ts). A field has several names. */
const MAX_TOGETHER = 8;

/** One group query. */
interface Pass {
  readonly node: QueryNode;
  readonly fields: FacetField[];
}

function passesOf(node: QueryNode, fields: readonly FacetField[]): Pass[] {
  const passes: Pass[] = [];
  const together = new Map<string, Pass>();
  for (const field of fields) {
    const own = withoutField(node, field);
    const text = JSON.stringify(own);
    const open = FEW.has(field.key) ? together.get(text) : undefined;
    if (open && open.fields.length < MAX_TOGETHER) {
      open.fields.push(field);
      continue;
    }
    const pass = { node: own, fields: [field] };
    passes.push(pass);
    if (FEW.has(field.key)) together.set(text, pass);
  }
  return passes;
}

/** The facet of the key at this index. */
function facetOf({ groups, others, isPartial }: GroupResult, field: FacetField, index: number, top: number) {
  const counts = new Map<string, number>();
  for (const { key, values } of groups) {
    const text = valueText(field, key[index]!);
    counts.set(text, (counts.get(text) ?? 0) + values[0]!);
  }
  const missing = counts.get('') ?? 0;
  counts.delete('');
  const values = ranked(counts);
  const rest = values.slice(top);
  return {
    field: field.name,
    values: values.slice(0, top).map(([value, count]) => ({ value, count })),
    others: { values: rest.length, count: rest.reduce((sum, [, n]) => sum + n, others) },
    missing,
    is_partial: isPartial,
  };
}

/** Counts the values of the fields. Returns `undefined` if the client has left. */
export async function countFacets(
  logs: Pick<LogStore, 'group'>,
  query: TimeRange & { readonly node: QueryNode },
  fields: readonly FacetField[],
  top: number,
  res: ServerResponse,
): Promise<FacetObject[] | undefined> {
  const untilMs = performance.now() + FACETS_MS;
  const facets = new Map<string, FacetObject>();
  const passes = passesOf(query.node, fields);
  for (let pass = passes.shift(); pass !== undefined; pass = passes.shift()) {
    const { node, fields: counted } = pass;
    const result = await logs.group(
      { ...query, node, by: counted.map(({ key }) => ({ field: key })), measures: COUNT },
      {
        timeoutMs: Math.max(0, untilMs - performance.now()) / (passes.length + 1),
        isWanted: () => !isClosed(res),
      },
    );
    if (isClosed(res)) return undefined;
    // Too many groups together are not too many of each field.
    if (result.others > 0 && counted.length > 1)
      passes.push(...counted.map((field) => ({ node, fields: [field] })));
    else for (const [i, field] of counted.entries()) facets.set(field.name, facetOf(result, field, i, top));
  }
  return fields.map(({ name }) => facets.get(name)!);
}
