// Asks for the records of the list, page by page, and holds them.
// Invariant: one question runs at a time; a newer question stops the older one, whose rows stay until the new ones are there.
import { batch, signal, type Signal } from '@preact/signals';
import { get, isStopped, type ApiError } from '../../api/client.ts';
import { HeldRows, isRecord } from './held-rows.ts';
import type { ApiQuery, Direction } from './question.ts';
import { viewQuery, type LogJson } from './record.ts';

/** A part of a query that was accepted but may not mean what the user expects. */
export interface HintJson {
  readonly text: string;
  readonly at: number;
  readonly length: number;
  readonly suggestion?: string;
}

export interface TotalJson {
  readonly count: number;
  readonly is_exact: boolean;
}

interface LogsJson {
  readonly logs: readonly LogJson[];
  readonly cursor?: string;
  readonly is_partial?: boolean;
  readonly hints?: readonly HintJson[];
  readonly total?: TotalJson;
}

/** What the list asks. */
export interface ListQuestion {
  readonly query: ApiQuery;
  readonly direction: Direction;
  /** Attributes of columns. */
  readonly attributes: readonly string[];
}

/** What is known of the list beside its rows. */
export interface ListState {
  readonly isAsking: boolean;
  readonly askedMs: number;
  readonly error: ApiError | undefined;
  /** True after the first answer. */
  readonly isAnswered: boolean;
  /** Cursor of the next page; `undefined`: there is none. */
  readonly next: string | undefined;
  /** The last page is not complete: reading took too long. */
  readonly isPartial: boolean;
  readonly total: TotalJson | undefined;
  readonly tookMs: number;
}

const NOTHING: ListState = {
  isAsking: false,
  askedMs: 0,
  error: undefined,
  isAnswered: false,
  next: undefined,
  isPartial: false,
  total: undefined,
  tookMs: 0,
};

/** Rows of a page: more after the first few, since one reads on. */
const PAGE = 200;
const LARGE_PAGE = 1000;

export class LogList {
  readonly state: Signal<ListState> = signal(NOTHING);
  /** Rises when rows have changed. */
  readonly version = signal(0);
  /** Rises when the rows are those of another question. */
  readonly generation = signal(0);
  rows = new HeldRows();
  #question: ListQuestion | undefined;
  #running: AbortController | undefined;
  /** A row that is shown, around which rows are kept. */
  near = 0;

  /** Question of the rows. */
  get question(): ListQuestion | undefined {
    return this.#question;
  }

  /** Asks a question from its beginning. `atLeast`: rows to have at once, for Back. */
  async ask(question: ListQuestion, atLeast = PAGE): Promise<void> {
    this.#question = question;
    const answer = await this.#page('', Math.min(LARGE_PAGE, Math.max(PAGE, atLeast)), true);
    if (answer === undefined) return;
    const rows = new HeldRows();
    rows.addPage('', answer.logs, 0);
    batch(() => {
      this.rows = rows;
      this.near = 0;
      this.generation.value++;
      this.#took(answer, true);
    });
  }

  /** Asks the same anew. */
  again = (): void => {
    if (this.#question !== undefined) void this.ask(this.#question);
  };

  /** Asks for the page behind the last one, unless one is being asked for. */
  async more(): Promise<void> {
    const { next, isAsking, error } = this.state.peek();
    if (next === undefined || isAsking || error !== undefined) return;
    await this.goOn();
  }

  /** Reads on behind a page that was not complete, or after an error. */
  goOn = async (): Promise<void> => {
    const { next } = this.state.peek();
    if (next === undefined) return;
    const answer = await this.#page(next, this.rows.pageCount < 4 ? PAGE : LARGE_PAGE, false);
    if (answer === undefined) return;
    this.rows.addPage(next, answer.logs, this.near);
    this.#took(answer, false);
  };

  /** Asks for rows that were let go. */
  async restore(from: number, to: number): Promise<void> {
    const missing = this.rows.missing(from, to);
    if (missing === undefined || this.state.peek().isAsking) return;
    const answer = await this.#page(missing.cursor, missing.size, false);
    if (answer === undefined) return;
    this.rows.restore(missing.page, answer.logs, this.near);
    this.state.value = { ...this.state.peek(), isAsking: false, error: undefined };
    this.version.value++;
  }

  stop = (): void => {
    this.#running?.abort();
    this.#running = undefined;
    this.state.value = { ...this.state.peek(), isAsking: false };
  };

  async #page(
    cursor: string,
    limit: number,
    isFirst: boolean,
  ): Promise<(LogsJson & { tookMs: number }) | undefined> {
    const { query, direction, attributes } = this.#question!;
    this.#running?.abort();
    const controller = new AbortController();
    this.#running = controller;
    this.state.value = { ...this.state.peek(), isAsking: true, askedMs: Date.now(), error: undefined };
    const answer = await get<LogsJson>('/v1/logs', {
      query: {
        ...query,
        ...viewQuery(attributes),
        limit,
        cursor: cursor === '' ? undefined : cursor,
        direction: direction === 'asc' ? 'asc' : undefined,
        with: isFirst ? 'total' : undefined,
      },
      signal: controller.signal,
    });
    if (this.#running !== controller) return undefined;
    this.#running = undefined;
    if (answer.ok) return { ...answer.value, tookMs: answer.tookMs };
    const before = this.state.peek();
    this.state.value = {
      ...before,
      isAsking: false,
      error: isStopped(answer.error) ? before.error : answer.error,
      isAnswered: true,
    };
    return undefined;
  }

  #took(
    { cursor, is_partial: isPartial = false, total, tookMs }: LogsJson & { tookMs: number },
    isFirst: boolean,
  ): void {
    const before = this.state.peek();
    this.state.value = {
      ...before,
      isAsking: false,
      error: undefined,
      isAnswered: true,
      next: cursor,
      isPartial,
      total: isFirst ? total : before.total,
      tookMs: isFirst ? tookMs : before.tookMs,
    };
    this.version.value++;
  }

  /** Numbers of the newest held records, so that the live tail does not bring them a second time. */
  newestSeqs(count: number): Set<number> {
    const seqs = new Set<number>();
    for (let i = 0; i < Math.min(count, this.rows.count); i++) {
      const row = this.rows.at(i);
      if (isRecord(row)) seqs.add(row.seq);
    }
    return seqs;
  }
}
