// The requests of a list of Logs in its order, read page by page as far as they are needed.
// Invariant: each request is in it once, where it comes first; a page is read once.
import type { ApiError } from '../../api/client.ts';

/** Parameters of GET /v1/logs. */
type ListQuery = Readonly<Record<string, string>>;

/** Where a request stands in its list. */
export interface Standing {
  readonly previous: string | undefined;
  readonly next: string | undefined;
  /** From 1. */
  readonly position: number;
  readonly count: number;
  /** False: the list goes on after `count` requests. */
  readonly isWhole: boolean;
}

const PAGE = 500;
/** Pages that are read to find a request. */
const MAX_PAGES = 40;

interface ListPage {
  readonly logs: readonly { readonly request_id?: string }[];
  readonly cursor?: string;
}

/** Reads one page; a function, so that tests need no server. */
export type ReadPage = (
  query: ListQuery,
) => Promise<
  { readonly ok: true; readonly value: ListPage } | { readonly ok: false; readonly error: ApiError }
>;

/** The requests of one list, read page by page as far as they are needed. */
export class ListWalk {
  readonly beganMs: number;
  readonly #query: ListQuery;
  readonly #read: ReadPage;
  readonly #ids: string[] = [];
  readonly #at = new Map<string, number>();
  #cursor: string | undefined;
  #isWhole = false;
  #pages = 0;
  /** Runs while a page is read, so that two callers do not read the same one. */
  #reading: Promise<ApiError | undefined> | undefined;

  /** `query`: of the list, with fixed times. `nowMs`: when the reading begins. */
  constructor(query: ListQuery, nowMs: number, read: ReadPage) {
    this.beganMs = nowMs;
    this.#read = read;
    this.#query = { ...query, limit: String(PAGE), fields: 'seq,request_id' };
  }

  /** Where a request stands; `undefined`: not in the part of the list that can be read. An error says why it is not known. */
  async find(id: string): Promise<Standing | ApiError | undefined> {
    for (;;) {
      const at = this.#at.get(id);
      // Its next one may be on the next page.
      if (at !== undefined && (at + 1 < this.#ids.length || this.#isWhole))
        return {
          previous: this.#ids[at - 1],
          next: this.#ids[at + 1],
          position: at + 1,
          count: this.#ids.length,
          isWhole: this.#isWhole,
        };
      if (this.#isWhole || this.#pages >= MAX_PAGES) return undefined;
      this.#reading ??= this.#readOne().finally(() => (this.#reading = undefined));
      const error = await this.#reading;
      if (error !== undefined) return error;
    }
  }

  async #readOne(): Promise<ApiError | undefined> {
    const answer = await this.#read({
      ...this.#query,
      ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }),
    });
    if (!answer.ok) return answer.error;
    this.#pages++;
    for (const { request_id: id = '' } of answer.value.logs) {
      if (id === '' || this.#at.has(id)) continue;
      this.#at.set(id, this.#ids.length);
      this.#ids.push(id);
    }
    this.#cursor = answer.value.cursor;
    this.#isWhole = this.#cursor === undefined;
    return undefined;
  }
}
