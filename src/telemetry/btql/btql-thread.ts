// What the reader thread does for queries: parses them, and runs them step by step. The thread loads this file
// (telemetry/logs/threads/reader-thread.ts).
// Invariant: a step takes a limited time, so that open queries take turns.
import { randomUUID } from 'node:crypto';
import { transactionOf, type QueriedStore, type ReadRecords } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import { answerSchema } from './answer-schema.ts';
import { orProblem, parseBtql, type BtqlProblem } from './parse-btql.ts';
import { KeptRows, type RowsPage } from './kept-rows.ts';
import { innerPlan, KEPT_LIMITS, QueryPlan, RESULT_LIMITS } from './query-plan.ts';
import type { QueryClock } from './row-test.ts';
import { runQuery, type QueryAnswer, type QueryRun, type QueryWarning, type RunLimits } from './query-run.ts';
import { StoredSpans, type QueriedProject } from './stored-spans.ts';
import { needsPrices, SpanPrices, type SpanCost } from './span-prices.ts';
import { expressionsOf, QueryError, type Query, type Source } from './tree.ts';
import type { PriceLists } from '../llm/prices.ts';
import { unknownName } from '../../core/nearest-name.ts';

export type BtqlFormat = 'json' | 'jsonl';

/** A query as a client sent it. */
export interface AskedQuery {
  /** Text, or a tree. */
  readonly query: unknown;
  /** Cursor beside the query; `undefined`: none. */
  readonly cursor: string | undefined;
  readonly clock: QueryClock;
  readonly format: BtqlFormat;
  /** Its result is kept and read in pages, so that it may be larger. */
  readonly isKept: boolean;
}

/** Projects that the query names. */
export interface OpenedQuery {
  /** Not used again, also by another thread. */
  readonly id: string;
  readonly projects: readonly string[];
  /** It reads the functions of these projects. */
  readonly isOfFunctions: boolean;
  /** It asks for costs, so `start` needs the prices. */
  readonly needsPrices: boolean;
}

export interface BtqlAnswer {
  readonly body: string;
  readonly cursor: string | null;
}

/** How far a query is. */
export interface QueryFigures {
  /** Records that were read. */
  readonly read: number;
  /** Time of the last one; `undefined`: none was read. */
  readonly reachedMs: number | undefined;
}

/** A query whose result is kept. */
export interface QueryOutcome extends QueryFigures {
  readonly rows: number;
  readonly bytes: number;
  readonly schema: object;
  readonly warnings: readonly QueryWarning[];
  /** With it the same query goes on behind the result; `null`: the result has all rows. */
  readonly cursor: string | null;
}

export interface QueryOperations {
  /** Parses a query and checks it. */
  open(asked: AskedQuery): OpenedQuery | BtqlProblem;
  /** Begins to run it. */
  start(
    id: string,
    projects: readonly QueriedProject[],
    trace: TraceSubject,
    limits: RunLimits,
    prices?: PriceLists,
  ): void;
  /** Works for about `ms` milliseconds. `undefined`: there is more to do. */
  step(id: string, ms: number): BtqlAnswer | undefined;
  /** Like `step`, for a query whose result is kept. */
  advance(id: string, ms: number): QueryFigures | QueryOutcome;
  /** A part of a kept result; `undefined`: it is not there any more. */
  keptPage(id: string, from: number, limit: number): RowsPage | undefined;
  /** Forgets a query and its result. */
  close(id: string): void;
}

const SPANS = 'project_logs';
const FUNCTIONS = 'project_functions';
/** Objects that a project of weir never has. */
const ABSENT = 'project_prompts';
const SOURCES = [SPANS, FUNCTIONS, ABSENT];

interface OpenQuery {
  readonly asked: AskedQuery;
  readonly plan: QueryPlan;
  readonly prices: SpanPrices;
  spans: StoredSpans | undefined;
  run: QueryRun | undefined;
  kept: KeptRows | undefined;
}

function innermost(query: Query): Source & { readonly op: 'function' } {
  return query.from.op === 'query' ? innermost(query.from.query) : query.from;
}

const hasCosts = (query: Query): boolean =>
  expressionsOf(query).some(needsPrices) || (query.from.op === 'query' && hasCosts(query.from.query));

/** Throws QueryError for a source that weir does not have. */
function checkSource({ name, args, shape, at }: ReturnType<typeof innermost>): void {
  const [source] = name.name;
  if (!SOURCES.includes(source)) throw new QueryError(unknownName('source', source, SOURCES), at);
  if (source !== SPANS && shape !== undefined && shape !== 'spans')
    throw new QueryError(`${source}() has no shape ${shape}`, at);
  if (args.length === 0) throw new QueryError(`${source}() takes the name or id of a project`, at);
  if (args.length > 100) throw new QueryError(`${source}() takes at most 100 projects`, at);
}

function planOf(
  { query: given, cursor, clock: { nowMs, westMs }, isKept }: AskedQuery,
  costOf: SpanCost,
): QueryPlan {
  const clock = { nowMs, westMs, costOf };
  const query = parseBtql(given);
  checkSource(innermost(query));
  const limits = isKept ? KEPT_LIMITS : RESULT_LIMITS;
  const plan = new QueryPlan(cursor === undefined ? query : { ...query, cursor }, clock, limits);
  // What is wrong with the query inside is found before anything is read.
  if (query.from.op === 'query') innerPlan(query.from.query, clock);
  return plan;
}

function bodyOf({ rows, schema, cursor, warnings }: QueryAnswer, format: BtqlFormat, head: string): string {
  if (format === 'jsonl') return rows.map((row) => `${row}\n`).join('');
  const rest = JSON.stringify({
    schema,
    cursor,
    realtime_state: { type: 'on', minimum_xact_id: '0', read_bytes: 0, actual_xact_id: head },
    freshness_state: { last_processed_xact_id: head, last_considered_xact_id: head },
    ...(warnings.length > 0 ? { warnings } : {}),
  });
  return `{"data":[${rows.join(',')}],${rest.slice(1)}\n`;
}

/** Called by the reader thread. */
export function operations(_: ReadRecords, store: QueriedStore): QueryOperations {
  const open = new Map<string, OpenQuery>();
  const found = (id: string): OpenQuery => {
    const query = open.get(id);
    if (query === undefined) throw new Error('the reader thread of queries was started again');
    return query;
  };
  /** Works for some time. Returns the answer at the end. */
  const worked = ({ run }: OpenQuery, ms: number): QueryAnswer | undefined => {
    const endMs = performance.now() + ms;
    do {
      const step = run!.steps.next();
      if (step.done === true) return step.value;
    } while (performance.now() < endMs);
    return undefined;
  };
  return {
    open: (asked) =>
      orProblem(asked.query, () => {
        const prices = new SpanPrices();
        const plan = planOf(asked, prices.costOf);
        const id = randomUUID();
        open.set(id, { asked, plan, prices, spans: undefined, run: undefined, kept: undefined });
        const source = innermost(plan.query);
        const [name] = source.name.name;
        const projects = name === ABSENT ? [] : source.args.map(({ value }) => value);
        return { id, projects, isOfFunctions: name === FUNCTIONS, needsPrices: hasCosts(plan.query) };
      }),
    start(id, projects, trace, limits, prices = []) {
      const query = found(id);
      query.prices.use(prices);
      query.spans = new StoredSpans(store, projects, trace);
      query.run = projects.length === 0 ? nothing() : runQuery(query.plan, query.spans, limits);
    },
    step(id, ms) {
      const query = found(id);
      const answer = worked(query, ms);
      if (answer === undefined) return undefined;
      open.delete(id);
      const body = bodyOf(answer, query.asked.format, transactionOf(query.spans!.headSeq));
      return { body, cursor: answer.cursor };
    },
    advance(id, ms) {
      const query = found(id);
      const answer = worked(query, ms);
      const { read, reached } = query.run!.progress;
      const figures = { read, reachedMs: reached && Number(reached.timeNs / 1_000_000n) };
      if (answer === undefined) return figures;
      const { rows, schema, warnings, cursor } = answer;
      query.kept = new KeptRows(rows);
      query.run = undefined;
      return { ...figures, rows: rows.length, bytes: query.kept.bytes, schema, warnings, cursor };
    },
    keptPage: (id, from, limit) => open.get(id)?.kept?.page(from, limit),
    close: (id) => void open.delete(id),
  };
}

/** The run of a query on objects that no project has. */
const nothing = (): QueryRun => ({ progress: { read: 0, reached: undefined }, steps: noSteps() });

// oxlint-disable-next-line require-yield
function* noSteps(): Generator<void, QueryAnswer> {
  return { rows: [], schema: answerSchema(new Map(), new Map()), cursor: null, warnings: [], read: 0 };
}
