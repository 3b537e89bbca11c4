// Asks for the records of the list, page by page, and holds them.
// Invariant: one question runs at a time; a newer question stops the older one, whose rows stay until the new ones are there.
import { batch, signal, type Signal } from '@preact/signals';
import { get, isStopped, type ApiError } from '../../api/client.ts';
import { HeldRows } from './held-rows.ts';
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

/** A list that was left, for Back. */
interface LeftList {
  readonly rows: HeldRows;
  readonly state: ListState;
  readonly atMs: number;
}

/** Lists that were left last, by their questions. They are asked anew after a while. */
const left = new Map<string, LeftList>();
const MOST_LEFT = 3;
const LEFT_MS = 600_000;

export class LogList {
  readonly state: Signal<ListState> = signal(NOTHING);
  /** Rises when rows have changed. */
  readonly version = signal(0);
  /** Rises when the rows are those of another question. */
  readonly generation = signal(0);
  rows = new HeldRows();
  #question: ListQuestion | undefined;
  #running: AbortController | undefined;
  #counting: AbortController | undefined;
  /** Numbers of records that the live tail brought: pages must not have them a second time. */
  readonly #live = new Set<number>();
  /** Those of the first page, which the tail must not bring again. */
  #first = new Set<number>();
  /** A row that is shown, around which rows are kept. */
  near = 0;

  /** Question of the rows. */
  get question(): ListQuestion | undefined {
    return this.#question;
  }

  /** Asks a question from its beginning. `atLeast`: rows to have at once, for Back. */
  async ask(question: ListQuestion, atLeast = PAGE): Promise<void> {
    this.leave();
    this.#question = question;
    const answer = await this.#page('', Math.min(LARGE_PAGE, Math.max(PAGE, atLeast)));
    if (answer === undefined) return;
    void this.#countAll(answer);
    const rows = new HeldRows();
    this.#live.clear();
    this.#first = new Set(answer.logs.map(({ seq }) => seq));
    rows.addPage('', answer.logs, 0);
    batch(() => {
      this.rows = rows;
      this.near = 0;
      this.generation.value++;
      this.#took(answer, true);
    });
  }

  /** Counts all matching records, after the first of them are there, so that they need not wait for it. */
  async #countAll({ cursor, logs }: LogsJson): Promise<void> {
    this.#counting?.abort();
    const controller = new AbortController();
    this.#counting = controller;
    const known = { count: logs.length, is_exact: true };
    const question = this.#question!;
    const answer =
      cursor === undefined
        ? undefined
        : await get<LogsJson>('/v1/logs', {
            query: { ...question.query, limit: 1, fields: 'seq', with: 'total' },
            signal: controller.signal,
          });
    if (this.#counting !== controller || this.#question !== question) return;
    const total = answer === undefined ? known : answer.ok ? answer.value.total : undefined;
    this.state.value = { ...this.state.peek(), total };
  }

  /** Keeps the rows for Back. Live ones would have to be followed, so that they are not kept. */
  leave(): void {
    if (this.#question === undefined || this.rows.count === 0 || this.rows.liveCount > 0) return;
    const key = JSON.stringify(this.#question);
    left.delete(key);
    left.set(key, { rows: this.rows, state: { ...this.state.peek(), isAsking: false }, atMs: Date.now() });
    for (const oldest of [...left.keys()].slice(0, -MOST_LEFT)) left.delete(oldest);
  }

  /** Shows the rows that were there when the question was left. Returns false if there are none. */
  recall(question: ListQuestion): boolean {
    const known = left.get(JSON.stringify(question));
    if (known === undefined || Date.now() - known.atMs > LEFT_MS) return false;
    this.#running?.abort();
    this.#running = undefined;
    this.#question = question;
    this.#live.clear();
    this.#first.clear();
    batch(() => {
      this.rows = known.rows;
      this.state.value = known.state;
      this.generation.value++;
      this.version.value++;
    });
    return true;
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
    const answer = await this.#page(next, this.rows.pageCount < 4 ? PAGE : LARGE_PAGE);
    if (answer === undefined) return;
    this.rows.addPage(next, this.#unknown(answer.logs), this.near);
    this.#took(answer, false);
  };

  /** Asks for rows that were let go. */
  async restore(from: number, to: number): Promise<void> {
    const missing = this.rows.missing(from, to);
    if (missing === undefined || this.state.peek().isAsking) return;
    const answer = await this.#page(missing.cursor, missing.size);
    if (answer === undefined) return;
    this.rows.restore(missing.page, this.#unknown(answer.logs), this.near);
    this.state.value = { ...this.state.peek(), isAsking: false, error: undefined };
    this.version.value++;
  }

  readonly #unknown = (logs: readonly LogJson[]): readonly LogJson[] =>
    this.#live.size === 0 ? logs : logs.filter(({ seq }) => !this.#live.has(seq));

  /** True if the list has a record of the live tail already. */
  isKnown(seq: number): boolean {
    return this.#live.has(seq) || this.#first.has(seq);
  }

  /** Notes a record that the live tail brought. */
  know(seq: number): void {
    this.#live.add(seq);
  }

  stop = (): void => {
    this.#running?.abort();
    this.#running = undefined;
    this.state.value = { ...this.state.peek(), isAsking: false };
  };

  async #page(cursor: string, limit: number): Promise<(LogsJson & { tookMs: number }) | undefined> {
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
    { cursor, is_partial: isPartial = false, tookMs }: LogsJson & { tookMs: number },
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
      tookMs: isFirst ? tookMs : before.tookMs,
    };
    this.version.value++;
  }
}
