// What the rows of a trace say together: mean scores of parents, and the tags of the trace.
// Invariant: what a row says itself stays as it is; values are only added.
import type { ShownRow } from '../../../telemetry/btql/btql.ts';

const idOf = (row: ShownRow): unknown => row['span_id'] ?? row['id'];
const parentsOf = ({ span_parents: parents }: ShownRow): readonly unknown[] =>
  Array.isArray(parents) ? parents : [];
const scoresOf = ({ scores }: ShownRow): [string, number][] =>
  Object.entries(scores ?? {}).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
const tagsOf = ({ tags }: ShownRow): unknown[] => (Array.isArray(tags) ? tags : []);

/** Sum and number of the values of each score. */
type Sums = Map<string, { sum: number; count: number }>;

/**
 * Adds to each row the mean of the scores of all rows below it that it has no value for, and to the root all tags of the
 * trace. `rows`: all rows of one trace.
 */
export function completeTrace(rows: readonly ShownRow[]): void {
  const parents = parentsIn(rows);
  const sums = new Map<ShownRow, Sums>();
  for (const row of rows)
    for (const [name, value] of scoresOf(row))
      for (const above of ancestors(row, parents)) add(sums, above, name, value);
  for (const [row, means] of sums) {
    const own = (row['scores'] ?? {}) as Record<string, unknown>;
    const added = [...means]
      .filter(([name]) => !Object.hasOwn(own, name))
      .map(([name, { sum, count }]) => [name, sum / count]);
    if (added.length > 0) row['scores'] = { ...own, ...Object.fromEntries(added) };
  }
  const root = rows.find((row) => parentsOf(row).length === 0);
  const tags = new Set([...(root ? tagsOf(root) : []), ...rows.flatMap(tagsOf)]);
  if (root && tags.size > tagsOf(root).length) root['tags'] = [...tags];
}

/** Row → the first of its parents that is among the rows. */
function parentsIn(rows: readonly ShownRow[]): ReadonlyMap<ShownRow, ShownRow> {
  const byId = new Map(rows.map((row): [unknown, ShownRow] => [idOf(row), row]));
  const parents = new Map<ShownRow, ShownRow>();
  for (const row of rows) {
    const parent = parentsOf(row)
      .map((id) => byId.get(id))
      .find((one) => one !== undefined && one !== row);
    if (parent) parents.set(row, parent);
  }
  return parents;
}

/** The rows above a row. Ends where rows form a cycle. */
function ancestors(row: ShownRow, parents: ReadonlyMap<ShownRow, ShownRow>): Set<ShownRow> {
  const above = new Set<ShownRow>();
  for (let at = parents.get(row); at !== undefined && at !== row && !above.has(at); at = parents.get(at))
    above.add(at);
  return above;
}

function add(sums: Map<ShownRow, Sums>, row: ShownRow, name: string, value: number): void {
  let ofRow = sums.get(row);
  if (ofRow === undefined) sums.set(row, (ofRow = new Map()));
  const known = ofRow.get(name);
  if (known) {
    known.sum += value;
    known.count++;
  } else ofRow.set(name, { sum: value, count: 1 });
}
