// BTQL: queries of Braintrust's language over the rows of projects and the requests that weir served in their traces. Other
// modules import only this file.
//   tree.ts                               a query as a tree      parse-btql.ts        text or JSON → tree
//   evaluate.ts, functions.ts, values.ts  values of expressions  grouping.ts          groups and their aggregates
//   store-filter.ts                       filter → store query   row-sources.ts       rows, traces, summaries
//   query-plan.ts, query-run.ts           a query that runs      btql-thread.ts        what the reader thread does
//   query-jobs.ts                         long queries           request-row.ts        request → row
// Invariant: queries run in a thread of their own, with limits on time and memory; the caller only passes on the result.
import type { Component } from '../../core/lifecycle.ts';
import type { PriceLists } from '../llm/prices.ts';
import type { LogReader, Logs } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import type { BtqlProblem } from './parse-btql.ts';
import type { AskedQuery, BtqlAnswer, BtqlFormat } from './btql-thread.ts';
import { QueryJobs, type LongQueryLimits } from './query-jobs.ts';
import { RUN_LIMITS, type RunLimits } from './query-run.ts';
import { prepareQuery, QueryThread, type FindProject } from './query-thread.ts';

export type { BtqlProblem } from './parse-btql.ts';
export type { JobView } from './query-jobs.ts';
export type { FindProject } from './query-thread.ts';
export { requestRow, type ShownRow } from './request-row.ts';
export { openRowFilter, type RowFilter } from './row-filter.ts';

/** A query of a client. */
export interface BtqlRequest {
  /** Text of clauses or SQL, or a tree. */
  readonly query: unknown;
  readonly cursor: string | undefined;
  /** How far the zone of the user is behind UTC, in minutes. */
  readonly westMinutes: number;
  readonly format: BtqlFormat;
}

/** The answer, or why there is none. `busy`: too many queries run. */
export type BtqlResult = BtqlAnswer | BtqlProblem | { readonly unknownProject: string } | 'busy';

/** Time of one step, in milliseconds. Open queries take turns. */
const STEP_MS = 20;
/** Queries that run at once. */
const MAX_RUNNING = 4;
/** Queries that wait for others. */
const MAX_WAITING = 16;
export class Btql implements Component {
  readonly name = 'btql';
  /** Queries that clients come back to. */
  readonly jobs: QueryJobs;
  readonly #thread: QueryThread;
  readonly #trace: TraceSubject;
  readonly #prices: () => PriceLists;
  readonly #limits: RunLimits;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** `prices`: those that hold for requests. */
  constructor(
    logs: Pick<Logs, 'openReader'>,
    trace: TraceSubject,
    prices: () => PriceLists,
    limits: Partial<RunLimits> = {},
    jobLimits: Partial<LongQueryLimits> = {},
  ) {
    this.#thread = new QueryThread(logs);
    this.#trace = trace;
    this.#prices = prices;
    this.#limits = { ...RUN_LIMITS, ...limits };
    this.jobs = new QueryJobs(this.#thread, trace, prices, jobLimits);
  }

  start(): void {
    // The first query starts the thread.
  }

  async stop(): Promise<void> {
    this.jobs.stop();
    await this.#thread.stop();
  }

  /**
   * Runs a query. `find`: finds a project by its name or id. `isWanted`: false when the client has left; then the result
   * is `undefined`.
   */
  async run(
    request: BtqlRequest,
    find: FindProject,
    isWanted: () => boolean,
  ): Promise<BtqlResult | undefined> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) return 'busy';
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#running++;
    const reader = this.#thread.acquire();
    try {
      return isWanted() ? await this.#run(reader, request, find, isWanted) : undefined;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
      this.#thread.release();
    }
  }

  /** Adds a query to those that clients come back to. */
  submit(request: BtqlRequest, find: FindProject): ReturnType<QueryJobs['submit']> {
    return this.jobs.submit(askedQuery(request, true), find);
  }

  async #run(
    reader: LogReader,
    request: BtqlRequest,
    find: FindProject,
    isWanted: () => boolean,
  ): Promise<BtqlResult | undefined> {
    const prepared = await prepareQuery(reader, askedQuery(request, false), find);
    if (!('id' in prepared)) return prepared;
    const { id, projects, needsPrices } = prepared;
    const prices = needsPrices ? this.#prices() : [];
    let isOpen = true;
    try {
      await reader.run('start', id, projects, this.#trace, this.#limits, prices);
      while (isWanted()) {
        const answer = (await reader.run('step', id, STEP_MS)) as BtqlAnswer | undefined;
        isOpen = answer === undefined;
        if (answer !== undefined) return answer;
      }
      return undefined;
    } finally {
      if (isOpen) await reader.run('close', id).catch(() => undefined);
    }
  }
}

const askedQuery = ({ query, cursor, westMinutes, format }: BtqlRequest, isKept: boolean): AskedQuery => ({
  query,
  cursor,
  clock: { nowMs: Date.now(), westMs: westMinutes * 60_000 },
  format,
  isKept,
});
