// BTQL: queries of Braintrust's language over the rows of projects and the requests that weir served in their traces. Other
// modules import only this file.
//   tree.ts                               a query as a tree      parse-btql.ts        text or JSON → tree
//   evaluate.ts, functions.ts, values.ts  values of expressions  grouping.ts          groups and their aggregates
//   store-filter.ts                       filter → store query   row-sources.ts       rows, traces, summaries
//   query-plan.ts, query-run.ts           a query that runs      btql-thread.ts  what the reader thread does
//   request-row.ts                        request → row
// Invariant: queries run in a thread of their own, with limits on time and memory; the caller only passes on the result.
import type { Component } from '../../core/lifecycle.ts';
import { threadFile } from '../../core/worker-rpc.ts';
import type { LogReader, Logs } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import type { BtqlProblem } from './parse-btql.ts';
import type { AskedQuery, BtqlAnswer, BtqlFormat, OpenedQuery } from './btql-thread.ts';
import { RUN_LIMITS, type RunLimits } from './query-run.ts';
import type { QueriedProject } from './stored-spans.ts';

export type { BtqlProblem } from './parse-btql.ts';
export { requestRow, type ShownRow } from './request-row.ts';

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

const OPERATIONS = threadFile('btql-thread', import.meta.url).href;
/** Time of one step, in milliseconds. Open queries take turns. */
const STEP_MS = 20;
/** Queries that run at once. */
const MAX_RUNNING = 4;
/** Queries that wait for others. */
const MAX_WAITING = 16;
/** Time after the last query for which the thread is kept, in milliseconds. */
const IDLE_MS = 60_000;

export class Btql implements Component {
  readonly name = 'btql';
  readonly #logs: Pick<Logs, 'openReader'>;
  readonly #trace: TraceSubject;
  readonly #limits: RunLimits;
  #reader: LogReader | undefined;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #idle: NodeJS.Timeout | undefined;

  constructor(logs: Pick<Logs, 'openReader'>, trace: TraceSubject, limits: Partial<RunLimits> = {}) {
    this.#logs = logs;
    this.#trace = trace;
    this.#limits = { ...RUN_LIMITS, ...limits };
  }

  start(): void {
    // The first query starts the thread.
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#reader?.close();
    this.#reader = undefined;
  }

  /**
   * Runs a query. `projectOf`: finds a project by its name or id. `isWanted`: false when the client has left; then the
   * result is `undefined`.
   */
  async run(
    request: BtqlRequest,
    projectOf: (name: string) => QueriedProject | undefined,
    isWanted: () => boolean,
  ): Promise<BtqlResult | undefined> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) return 'busy';
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#running++;
    clearTimeout(this.#idle);
    this.#reader ??= this.#logs.openReader(OPERATIONS, 'weir btql');
    try {
      return isWanted() ? await this.#run(this.#reader, request, projectOf, isWanted) : undefined;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
      if (this.#running === 0) this.#idle = setTimeout(() => void this.#closeIdle(), IDLE_MS).unref();
    }
  }

  async #run(
    reader: LogReader,
    { query, cursor, westMinutes, format }: BtqlRequest,
    projectOf: (name: string) => QueriedProject | undefined,
    isWanted: () => boolean,
  ): Promise<BtqlResult | undefined> {
    const clock = { nowMs: Date.now(), westMs: westMinutes * 60_000 };
    const asked: AskedQuery = { query, cursor, clock, format };
    const opened = (await reader.run('open', asked)) as OpenedQuery | BtqlProblem;
    if ('problem' in opened) return opened;
    const { id } = opened;
    let isOpen = true;
    try {
      const projects = new Map<string, QueriedProject>();
      for (const name of opened.projects) {
        const project = projectOf(name);
        if (project === undefined) return { unknownProject: name };
        projects.set(project.id, { id: project.id, orgId: project.orgId });
      }
      await reader.run('start', id, [...projects.values()], this.#trace, this.#limits);
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

  async #closeIdle(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}
