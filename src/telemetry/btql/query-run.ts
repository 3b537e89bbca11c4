// Runs a query, step by step.
// Invariant: a run ends within its time. If it has not read everything then, the answer says how far it came.
import { Groups } from './grouping.ts';
import { MemoryBudget } from './aggregate.ts';
import { answerSchema } from './answer-schema.ts';
import { ResultPage, SortedRows, type FoundRow } from './received-rows.ts';
import { formatMs } from './btql-time.ts';
import { formatQueryCursor } from './query-cursor.ts';
import type { GroupTable } from './closed-group.ts';
import { MAX_PIVOT_COLUMNS } from './pivot.ts';
import { innerPlan, MAX_GROUPS, type QueryPlan } from './query-plan.ts';
import type { QueryClock } from './row-test.ts';
import type { ShownRow } from './request-row.ts';
import {
  givenSource,
  spanSource,
  summarySource,
  traceSource,
  type ReadProgress,
  type RowSource,
} from './row-sources.ts';
import { canScanGroups, scanGroups } from './scanned-groups.ts';
import { StepClock } from './step-clock.ts';
import type { StoredSpans } from './stored-spans.ts';
import { MAX_PARTS } from './unpivoted-rows.ts';
import type { Query } from './tree.ts';

export interface QueryWarning {
  readonly code: string;
  readonly message: string;
  readonly stage: string;
}

export interface QueryAnswer {
  /** JSON of each row. */
  readonly rows: readonly string[];
  readonly schema: object;
  /** `null`: there is no further page. */
  readonly cursor: string | null;
  readonly warnings: readonly QueryWarning[];
  /** Number of records that were read. */
  readonly read: number;
}

/** Limits of a run. */
export interface RunLimits {
  readonly timeMs: number;
  /** Records that are read. */
  readonly reads: number;
  /** For groups and the values in them. */
  readonly memoryBytes: number;
}

export const RUN_LIMITS: RunLimits = { timeMs: 30_000, reads: 20_000_000, memoryBytes: 64 * 1024 ** 2 };

class Run {
  readonly #spans: StoredSpans;
  readonly #limits: RunLimits;
  readonly #budget: MemoryBudget;
  readonly #endMs: number;
  readonly progress: ReadProgress = { read: 0, reached: undefined };
  readonly #warnings: QueryWarning[] = [];
  #isCut = false;

  constructor(spans: StoredSpans, limits: RunLimits) {
    this.#spans = spans;
    this.#limits = limits;
    this.#budget = new MemoryBudget(limits.memoryBytes);
    this.#endMs = performance.now() + limits.timeMs;
  }

  *answer(plan: QueryPlan): Generator<void, QueryAnswer> {
    const { limits } = plan;
    const limit = plan.grouping ? limits.rows : plan.limit;
    const page = new ResultPage(plan.columns, limit, limits.characters);
    let cursor: string | null = null;
    let columns: GroupTable['columns'] = plan.columns.columns.map(({ name, value }) => ({
      name,
      type: value.type,
    }));
    if (plan.grouping) ({ columns } = yield* this.#grouped(plan, page));
    else if (plan.order === undefined) yield* this.#sorted(plan, page);
    else if (limit > 0) cursor = yield* this.#ordered(plan, page);
    return {
      rows: page.rows,
      schema: answerSchema(page.keys, new Map(columns.map(({ name, type }) => [name, type]))),
      cursor,
      warnings: this.#warnings,
      read: this.progress.read,
    };
  }

  /** True if a limit is reached. The first time, a warning says how far the query came. */
  #mustEnd(): boolean {
    if (this.#isCut) return true;
    const { timeMs, reads } = this.#limits;
    const problem = this.#budget.isSpent
      ? ['memory', 'the query needs too much memory; use fewer groups, or fewer distinct values']
      : this.progress.read > reads
        ? ['rows', `the query read ${reads} rows, which is the limit`]
        : performance.now() > this.#endMs
          ? ['timeout', `the time of ${timeMs / 1000} s is over`]
          : undefined;
    if (problem === undefined) return false;
    this.#isCut = true;
    const { read, reached } = this.progress;
    const back = reached ? `, up to rows of ${formatMs(Number(reached.timeNs / 1_000_000n))}` : '';
    this.#warn(
      `${problem[0]}_limit`,
      `The result is not complete: ${problem[1]}. ${read} rows were read${back}. Add a condition on created, or read less.`,
    );
    return true;
  }

  #warn(code: string, message: string): void {
    this.#warnings.push({ code, message, stage: 'execution' });
  }

  #source(plan: QueryPlan): RowSource {
    const spans = this.#spans;
    if (spans.functions) return givenSource(plan, spans.functions);
    if (plan.shape === 'summary') return summarySource(plan, spans, this.progress);
    if (plan.shape === 'traces') return flat(traceSource(plan, spans, this.progress));
    return spanSource(plan, spans, this.progress);
  }

  /** Rows in the order of the store. Returns the cursor of the next page. */
  *#ordered(plan: QueryPlan, page: ResultPage): Generator<void, string | null> {
    const units =
      plan.shape === 'traces' ? traceSource(plan, this.#spans, this.progress) : single(this.#source(plan));
    const cursorAt = (position: ReadProgress['reached']): string | null =>
      position === undefined ? null : formatQueryCursor(plan.query, position);
    let count = 0;
    let last: ReadProgress['reached'];
    for (const rows of units) {
      if (rows === undefined) {
        if (count === plan.limit) return cursorAt(last);
        if (this.#mustEnd()) return cursorAt(this.progress.reached);
        yield;
        continue;
      }
      if (count === plan.limit || page.isTooLarge) return cursorAt(last);
      if (plan.unpivoted && plan.shape === 'spans') {
        const [found] = rows;
        const added = this.#addParts(plan, found!, page, plan.limit - count);
        if ('next' in added) return added.next;
        count += added.count;
      } else {
        this.#addUnit(plan, rows, page);
        count++;
      }
      last = this.progress.reached;
    }
    this.#warnOfParts(plan);
    return null;
  }

  /** Adds the rows that unpivot makes of a row. If not all of them fit: `next`, the cursor of the rest. */
  #addParts(
    plan: QueryPlan,
    { row, position }: FoundRow,
    page: ResultPage,
    most: number,
  ): { readonly count: number } | { readonly next: string } {
    const first = plan.shown?.seq === position!.seq ? plan.shown.parts : 0;
    let part = 0;
    for (const made of plan.rowsOf(row)) {
      if (part >= first) {
        if (part - first === most || page.isTooLarge)
          return { next: formatQueryCursor(plan.query, position!, part) };
        page.add(made);
      }
      part++;
    }
    return { count: Math.max(0, part - first) };
  }

  /** Adds the rows of a trace, which are together on a page. */
  #addUnit(plan: QueryPlan, rows: readonly FoundRow[], page: ResultPage): void {
    for (const { row } of rows)
      for (const made of plan.rowsOf(row)) {
        if (page.isTooLarge) {
          this.#warn(
            'size_limit',
            'The result is not complete: a trace has more rows than a page. Select less.',
          );
          return;
        }
        page.add(made);
      }
  }

  #warnOfParts({ unpivoted }: QueryPlan): void {
    if (unpivoted?.isCut)
      this.#warn(
        'unpivot_limit',
        `The result is not complete: unpivot makes at most ${MAX_PARTS} rows of one row. Add a filter.`,
      );
  }

  /** The rows, each with those that unpivot makes of it. */
  *#rows(plan: QueryPlan): Generator<FoundRow | undefined> {
    if (plan.unpivoted === undefined) return yield* this.#foundRows(plan);
    const clock = new StepClock();
    for (const found of this.#foundRows(plan)) {
      if (found === undefined) {
        yield undefined;
        continue;
      }
      let part = 0;
      for (const row of plan.rowsOf(found.row)) {
        yield { row, position: found.position, part: part++ };
        if (clock.isOver) yield undefined;
      }
    }
    this.#warnOfParts(plan);
  }

  *#foundRows(plan: QueryPlan): Generator<FoundRow | undefined> {
    if (plan.query.from.op === 'query') {
      const inner = yield* this.#inner(plan.query.from.query, plan.clock);
      const clock = new StepClock();
      for (const row of inner) {
        if (plan.test(row) && plan.matchesSample(row)) yield { row, position: undefined };
        if (clock.isOver) yield undefined;
      }
      return;
    }
    yield* this.#source(plan);
  }

  /** The rows of a query inside the query. */
  *#inner(query: Query, clock: QueryClock): Generator<undefined, ShownRow[]> {
    const plan = innerPlan(query, clock);
    const page = new ResultPage(plan.columns, plan.limits.rows, plan.limits.characters);
    const steps = plan.grouping
      ? this.#grouped(plan, page)
      : plan.order
        ? this.#ordered(plan, page)
        : this.#sorted(plan, page);
    for (let step = steps.next(); step.done !== true; step = steps.next()) yield undefined;
    if (plan.grouping === undefined && page.isFull)
      this.#warn('inner_limit', `The query inside was read up to ${page.rows.length} rows.`);
    return page.rows.map((text) => JSON.parse(text) as ShownRow);
  }

  *#sorted(plan: QueryPlan, page: ResultPage): Generator<void, null> {
    const sorted = new SortedRows(plan.sorts, plan.limit);
    for (const found of this.#rows(plan)) {
      if (found !== undefined) sorted.add(found);
      else if (this.#mustEnd()) break;
      else yield;
    }
    const read = (seq: number, part: number): ShownRow | undefined => {
      const row = this.#spans.at(seq);
      return row && plan.partOf(row, part);
    };
    for (const row of sorted.sorted(read)) {
      if (page.isTooLarge) {
        this.#warnOfSize(page);
        break;
      }
      page.add(row);
      yield;
    }
    return null;
  }

  #warnOfSize({ rows }: ResultPage): void {
    this.#warn(
      'size_limit',
      `The result is not complete: ${rows.length} rows have the size that is allowed. Select less.`,
    );
  }

  *#grouped(plan: QueryPlan, page: ResultPage): Generator<void, GroupTable> {
    const grouping = plan.grouping!;
    const reading = grouping.reading(plan.scope);
    const groups = new Groups(grouping, reading, this.#budget, MAX_GROUPS);
    const source =
      plan.unpivoted === undefined && this.#spans.functions === undefined && canScanGroups(plan)
        ? scanGroups(plan, this.#spans, groups, this.progress)
        : this.#rows(plan);
    for (const found of source) {
      if (found !== undefined) groups.add(reading, found.row);
      else if (this.#mustEnd()) break;
      else yield;
    }
    const table = groups.result();
    for (const row of table.rows) {
      if (page.isTooLarge) {
        this.#warnOfSize(page);
        break;
      }
      page.push(row);
    }
    if (groups.others > 0)
      this.#warn(
        'group_limit',
        `${groups.others} rows are in no group, since there are more than ${MAX_GROUPS} groups.`,
      );
    if (table.cut > 0 && plan.query.limit === undefined)
      this.#warn('row_limit', `${table.cut} groups are not shown; the limit is ${plan.limits.rows} rows.`);
    if (table.cutColumns > 0)
      this.#warn(
        'column_limit',
        `${table.cutColumns} values of the last dimension have no columns; the limit is ${MAX_PIVOT_COLUMNS} columns.`,
      );
    return table;
  }
}

function* single(rows: RowSource): Generator<FoundRow[] | undefined> {
  for (const row of rows) yield row && [row];
}

function* flat(lists: Generator<FoundRow[] | undefined>): RowSource {
  for (const list of lists) {
    if (list === undefined) yield undefined;
    else yield* list;
  }
}

/** A query that runs. */
export interface QueryRun {
  readonly progress: Readonly<ReadProgress>;
  /** Each step takes a limited time. */
  readonly steps: Generator<void, QueryAnswer>;
}

/** Begins to run a plan. */
export function runQuery(plan: QueryPlan, spans: StoredSpans, limits: RunLimits): QueryRun {
  const run = new Run(spans, limits);
  return { progress: run.progress, steps: run.answer(plan) };
}
