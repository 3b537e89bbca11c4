// What the reader thread does for queries: parses them, and runs them step by step. The thread loads this file
// (telemetry/logs/threads/reader-thread.ts).
// Invariant: a step takes a limited time, so that open queries take turns.
import { transactionOf, type QueriedStore, type ReadRecords } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import { answerSchema } from './answer-schema.ts';
import { orProblem, parseBtql, type BtqlProblem } from './parse-btql.ts';
import { innerPlan, QueryPlan } from './query-plan.ts';
import type { QueryClock } from './row-test.ts';
import { runQuery, type QueryAnswer, type RunLimits } from './query-run.ts';
import { StoredSpans, type QueriedProject } from './stored-spans.ts';
import { QueryError, type Query, type Source } from './tree.ts';
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
}

/** Projects that the query names. */
export interface OpenedQuery {
  readonly id: number;
  readonly projects: readonly string[];
}

export interface BtqlAnswer {
  readonly body: string;
  readonly cursor: string | null;
}

export interface QueryOperations {
  /** Parses a query and checks it. */
  open(asked: AskedQuery): OpenedQuery | BtqlProblem;
  /** Begins to run it. */
  start(id: number, projects: readonly QueriedProject[], trace: TraceSubject, limits: RunLimits): void;
  /** Works for about `ms` milliseconds. `undefined`: there is more to do. */
  step(id: number, ms: number): BtqlAnswer | undefined;
  /** Forgets a query. */
  close(id: number): void;
}

const SPANS = 'project_logs';
/** Objects that a project of weir never has. */
const ABSENT = ['project_functions', 'project_prompts'];

interface OpenQuery {
  readonly asked: AskedQuery;
  readonly plan: QueryPlan;
  spans: StoredSpans | undefined;
  steps: Generator<void, QueryAnswer> | undefined;
}

function innermost(query: Query): Source & { readonly op: 'function' } {
  return query.from.op === 'query' ? innermost(query.from.query) : query.from;
}

/** Throws QueryError for a source that weir does not have. */
function checkSource({ name, args, at }: ReturnType<typeof innermost>): void {
  const [source] = name.name;
  if (source !== SPANS && !ABSENT.includes(source))
    throw new QueryError(unknownName('source', source, [SPANS, ...ABSENT]), at);
  if (args.length === 0) throw new QueryError(`${source}() takes the name or id of a project`, at);
  if (args.length > 100) throw new QueryError(`${source}() takes at most 100 projects`, at);
}

function planOf({ query: given, cursor, clock }: AskedQuery): QueryPlan {
  const query = parseBtql(given);
  checkSource(innermost(query));
  const plan = new QueryPlan(cursor === undefined ? query : { ...query, cursor }, clock);
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
  const open = new Map<number, OpenQuery>();
  let count = 0;
  const found = (id: number): OpenQuery => {
    const query = open.get(id);
    if (query === undefined) throw new Error('the reader thread of queries was started again');
    return query;
  };
  return {
    open: (asked) =>
      orProblem(asked.query, () => {
        const plan = planOf(asked);
        open.set(++count, { asked, plan, spans: undefined, steps: undefined });
        const source = innermost(plan.query);
        const projects = ABSENT.includes(source.name.name[0]) ? [] : source.args.map(({ value }) => value);
        return { id: count, projects };
      }),
    start(id, projects, trace, limits) {
      const query = found(id);
      query.spans = new StoredSpans(store, projects, trace);
      query.steps = projects.length === 0 ? nothing() : runQuery(query.plan, query.spans, limits);
    },
    step(id, ms) {
      const { asked, spans, steps } = found(id);
      const endMs = performance.now() + ms;
      do {
        const step = steps!.next();
        if (step.done === true) {
          open.delete(id);
          const body = bodyOf(step.value, asked.format, transactionOf(spans!.headSeq));
          return { body, cursor: step.value.cursor };
        }
      } while (performance.now() < endMs);
      return undefined;
    },
    close: (id) => void open.delete(id),
  };
}

/** The answer of a query on objects that no project has. */
// oxlint-disable-next-line require-yield
function* nothing(): Generator<void, QueryAnswer> {
  return { rows: [], schema: answerSchema(new Map(), new Map()), cursor: null, warnings: [], read: 0 };
}
