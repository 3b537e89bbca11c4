// Groups of spans from the columns of the store, without making a row for each record.
// Invariant: each record adds to its group what its row would add. A record whose columns do not have all that the query
// needs is read as a row.
import { attributeName, HAS_PARENT, ROW_CUT, type KeyValue } from '../logs/logs.ts';
import type { Scope } from './compiled.ts';
import { compile } from './evaluate.ts';
import type { Grouping, GroupReading, Groups } from './grouping.ts';
import type { QueryPlan } from './query-plan.ts';
import { compileField, isDerived, type ReadField } from './row-fields.ts';
import type { ReadProgress } from './row-sources.ts';
import { rowScope, type QueryClock } from './row-test.ts';
import { storeFilter } from './store-filter.ts';
import { timeRange, type StoredSpans } from './stored-spans.ts';
import { operandsOf, type Expr, type FunctionCall, type Ident } from './tree.ts';
import { truth } from './values.ts';

/** The columns of a record. */
interface ColumnRow {
  timeMs: number;
  values: readonly KeyValue[];
}

/** Fields of a row that are not attributes: the attribute that has it if it is not the usual one, and the column. */
const COLUMNS: Readonly<Record<string, string>> = { root_span_id: 'traceId', span_id: 'spanId' };
/** Fields of a row that columns do not have. */
const ROWS_ONLY: ReadonlySet<string> = new Set([
  'span_parents',
  'project_id',
  'org_id',
  'log_id',
  'audit_data',
  '_xact_id',
  '_pagination_key',
]);

/** The names of an expression. */
function identsOf(expr: Expr): Ident[] {
  return expr.op === 'ident' ? [expr] : operandsOf(expr).flatMap(identsOf);
}

/** search() reads fields that it does not name. */
const usesSearch = (expr: Expr): boolean =>
  (expr.op === 'function' && expr.name.name[0].toLowerCase() === 'search') ||
  operandsOf(expr).some(usesSearch);

const isInColumns = (ident: Ident): boolean =>
  isDerived(ident) ||
  (!ROWS_ONLY.has(String(ident.name[0])) && ident.name.every((part) => typeof part === 'string'));

function expressionsRead(plan: QueryPlan, { keys, aggregates }: Grouping): Expr[] {
  const args = aggregates.flatMap((call: FunctionCall) => call.args.filter(({ op }) => op !== 'star'));
  return [...keys, ...args, ...(plan.filter ? [plan.filter] : [])];
}

/** True if the groups of a query can be made from columns. */
export function canScanGroups(plan: QueryPlan): boolean {
  const { grouping, query, shape } = plan;
  if (!grouping || shape !== 'spans' || query.sample || query.from.op === 'query') return false;
  const read = expressionsRead(plan, grouping);
  return !read.some(usesSearch) && read.flatMap(identsOf).every(isInColumns);
}

/** Reads fields from columns. */
class Columns {
  /** Names in the store, by slot. */
  readonly names: string[] = [attributeName(ROW_CUT)];

  #slot(name: string): number {
    const known = this.names.indexOf(name);
    return known === -1 ? this.names.push(name) - 1 : known;
  }

  readonly read: ReadField<ColumnRow> = (name) => {
    if (name === 'id') return this.#value('requestId');
    if (name === 'is_root') {
      const parent = this.#value(HAS_PARENT);
      // Other parents are a list, for which the row is read.
      this.#slot('span_parents');
      return (row) => parent(row) === null;
    }
    const own = this.#value(attributeName(name));
    if (name === 'created') return (row) => own(row) ?? new Date(row.timeMs).toISOString();
    const column = Object.hasOwn(COLUMNS, name) ? this.#value(COLUMNS[name]!) : undefined;
    return column ? (row) => own(row) ?? column(row) : own;
  };

  #value(name: string): (row: ColumnRow) => KeyValue {
    const slot = this.#slot(name);
    return ({ values }) => values[slot]!;
  }

  scope(clock: QueryClock): Scope<ColumnRow> {
    return { ...clock, field: (ident) => compileField(ident, this.read) };
  }
}

const BRACE = 0x7b;
const BRACKET = 0x5b;

/** True if a value may be the JSON of a list or an object, which has members. */
function mayHaveJson(values: readonly KeyValue[]): boolean {
  for (const value of values) {
    const first = typeof value === 'string' ? value.charCodeAt(0) : 0;
    if (first === BRACE || first === BRACKET) return true;
  }
  return false;
}

/** Adds all matching spans to their groups. Yields between calls of the store. */
export function* scanGroups(
  plan: QueryPlan,
  spans: StoredSpans,
  groups: Groups,
  progress: ReadProgress,
): Generator<undefined> {
  const { filter, clock } = plan;
  const grouping = plan.grouping!;
  const columns = new Columns();
  const scope = columns.scope(clock);
  const reading: GroupReading<ColumnRow> = grouping.reading(scope);
  const test = filter && compile(filter, scope).of;
  const ofRows = grouping.reading(rowScope(clock));
  const store = storeFilter(filter, clock);
  const query = { node: spans.rowsNode(store.node), ...timeRange(store), names: columns.names };
  const current: ColumnRow = { timeMs: 0, values: [] };
  const addRow = (seq: number): void => {
    const row = spans.at(seq);
    if (row && plan.test(row)) groups.add(ofRows, row);
  };
  let lastSeq = 0;
  const steps = spans.scan(query, (seq, timeMs, values) => {
    progress.read++;
    lastSeq = seq;
    current.timeMs = timeMs;
    if (values[0] !== null || mayHaveJson(values)) {
      addRow(seq);
      return;
    }
    current.values = values;
    if (test === undefined || truth(test(current)) === true) groups.add(reading, current);
  });
  for (const step of steps) {
    progress.reached = { timeNs: BigInt(current.timeMs) * 1_000_000n, seq: lastSeq };
    yield step;
  }
}
