// Runs a query, step by step.
// Invariant: a run ends within its time. If it has not read everything then, the answer says how far it came.
import { Groups } from './grouping.ts';
import { MemoryBudget } from './aggregate.ts';
import { answerSchema } from './answer-schema.ts';
import { ResultPage, SortedRows, type FoundRow } from './received-rows.ts';
import { formatMs } from './btql-time.ts';
import { formatQueryCursor } from './query-cursor.ts';
import { innerPlan, RESULT_LIMITS, type QueryPlan } from './query-plan.ts';
import { rowScope, type QueryClock } from './row-test.ts';
import type { ShownRow } from './request-row.ts';
import { spanSource, summarySource, traceSource, type ReadProgress, type RowSource } from './row-sources.ts';
import { canScanGroups, scanGroups } from './scanned-groups.ts';
import type { StoredSpans } from './stored-spans.ts';
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
  readonly #progress: ReadProgress = { read: 0, reached: undefined };
  readonly #warnings: QueryWarning[] = [];
  #isCut = false;

  constructor(spans: StoredSpans, limits: RunLimits) {
    this.#spans = spans;
    this.#limits = limits;
    this.#budget = new MemoryBudget(limits.memoryBytes);
    this.#endMs = performance.now() + limits.timeMs;
  }

  *answer(plan: QueryPlan): Generator<void, QueryAnswer> {
    const limit = plan.grouping ? RESULT_LIMITS.rows : plan.limit;
    const page = new ResultPage(plan.columns, limit);
    let cursor: string | null = null;
    if (plan.grouping) yield* this.#grouped(plan, page);
    else if (plan.order === undefined) yield* this.#sorted(plan, page);
    else if (limit > 0) cursor = yield* this.#ordered(plan, page);
    const columns = plan.grouping?.columns ?? plan.columns.columns;
    return {
      rows: page.rows,
      schema: answerSchema(page.keys, new Map(columns.map(({ name, value }) => [name, value.type]))),
      cursor,
      warnings: this.#warnings,
      read: this.#progress.read,
    };
  }

  /** True if a limit is reached. The first time, a warning says how far the query came. */
  #mustEnd(): boolean {
    if (this.#isCut) return true;
    const { timeMs, reads } = this.#limits;
    const problem = this.#budget.isSpent
      ? ['memory', 'the query needs too much memory; use fewer groups, or fewer distinct values']
      : this.#progress.read > reads
        ? ['rows', `the query read ${reads} rows, which is the limit`]
        : performance.now() > this.#endMs
          ? ['timeout', `the time of ${timeMs / 1000} s is over`]
          : undefined;
    if (problem === undefined) return false;
    this.#isCut = true;
    const { read, reached } = this.#progress;
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
    if (plan.shape === 'summary') return summarySource(plan, spans, this.#progress);
    if (plan.shape === 'traces') return flat(traceSource(plan, spans, this.#progress));
    return spanSource(plan, spans, this.#progress);
  }

  /** Rows in the order of the store. Returns the cursor of the next page. */
  *#ordered(plan: QueryPlan, page: ResultPage): Generator<void, string | null> {
    const units =
      plan.shape === 'traces' ? traceSource(plan, this.#spans, this.#progress) : single(this.#source(plan));
    const cursorAt = (position: ReadProgress['reached']): string | null =>
      position === undefined ? null : formatQueryCursor(plan.query, position);
    let count = 0;
    let last: ReadProgress['reached'];
    for (const rows of units) {
      if (rows === undefined) {
        if (count === plan.limit) return cursorAt(last);
        if (this.#mustEnd()) return cursorAt(this.#progress.reached);
        yield;
        continue;
      }
      if (count === plan.limit || page.isTooLarge) return cursorAt(last);
      for (const { row } of rows) page.add(row);
      count++;
      last = this.#progress.reached;
    }
    return null;
  }

  *#rows(plan: QueryPlan): Generator<FoundRow | undefined> {
    if (plan.query.from.op === 'query') {
      const inner = yield* this.#inner(plan.query.from.query, plan.clock);
      for (const row of inner)
        if (plan.test(row) && plan.matchesSample(row)) yield { row, position: undefined };
      return;
    }
    yield* this.#source(plan);
  }

  /** The rows of a query inside the query. */
  *#inner(query: Query, clock: QueryClock): Generator<undefined, ShownRow[]> {
    const plan = innerPlan(query, clock);
    const page = new ResultPage(plan.columns, RESULT_LIMITS.rows);
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
    for (const row of sorted.sorted((seq) => this.#spans.at(seq))) {
      if (page.isFull) break;
      page.add(row);
      yield;
    }
    if (page.isTooLarge)
      this.#warn(
        'size_limit',
        `The result is not complete: ${page.rows.length} rows have the size that is allowed. Select less.`,
      );
    return null;
  }

  *#grouped(plan: QueryPlan, page: ResultPage): Generator<void, null> {
    const grouping = plan.grouping!;
    const reading = grouping.reading(rowScope(plan.clock));
    const groups = new Groups(grouping, reading, this.#budget, RESULT_LIMITS.groups);
    const source = canScanGroups(plan)
      ? scanGroups(plan, this.#spans, groups, this.#progress)
      : this.#rows(plan);
    for (const found of source) {
      if (found !== undefined) groups.add(reading, found.row);
      else if (this.#mustEnd()) break;
      else yield;
    }
    const { rows, cut } = groups.result();
    for (const row of rows) page.push(row);
    if (groups.others > 0)
      this.#warn(
        'group_limit',
        `${groups.others} rows are in no group, since there are more than ${RESULT_LIMITS.groups} groups.`,
      );
    if (cut > 0 && plan.query.limit === undefined)
      this.#warn('row_limit', `${cut} groups are not shown; the limit is ${RESULT_LIMITS.rows} rows.`);
    return null;
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

/** Runs a plan. Each step takes a limited time. */
export const runQuery = (
  plan: QueryPlan,
  spans: StoredSpans,
  limits: RunLimits,
): Generator<void, QueryAnswer> => new Run(spans, limits).answer(plan);
