// What the routes that search and count records answer, for clients that are written in TypeScript.
// Invariant: this file imports types only, so that a page in a browser can use it.

import type { LogObject } from './log-object-json.ts';

/** What is missing of a message that `preview` has cut. Lengths are in UTF-16 code units. */
export interface MessageCut {
  /** Length of the whole message. */
  readonly length: number;
  /** Blank ones at the end do not count. */
  readonly lines: number;
  /** Of several lines the last one that is not blank, such as the exception of a traceback, cut in the same way. */
  readonly last_line?: string;
}

/** A part of `q` that was accepted but may not mean what was meant. Places are in UTF-16 code units, from 0. */
export interface HintObject {
  readonly text: string;
  readonly at: number;
  readonly length: number;
  /** Text to write in its place. */
  readonly suggestion?: string;
}

/** Number of all matching records; not exact: there are at least so many. */
export interface TotalObject {
  readonly count: number;
  readonly is_exact: boolean;
}

/** Answer of `GET /v1/logs`. */
export interface SearchAnswer {
  /**
   * With `fields`, only these; the value of `attributes.a.b` is under `a.b` in `attributes`. `message_cut` is there if `preview` has cut the
   * message.
   */
  readonly logs: readonly (Partial<LogObject> & { readonly message_cut?: MessageCut })[];
  /** The next page; absent: this was the last one. */
  readonly cursor?: string;
  /** The time was over; the cursor continues the search. */
  readonly is_partial?: true;
  /** With `with=total`. */
  readonly total?: TotalObject;
  readonly hints?: readonly HintObject[];
}

/** One facet. */
export interface FacetObject {
  /** As the client named it. */
  readonly field: string;
  /** The most frequent first. */
  readonly values: readonly { readonly value: string; readonly count: number }[];
  /** Further values, and the records that have them. `values` is a lower bound if there are very many. */
  readonly others: { readonly values: number; readonly count: number };
  /** Records without a value. */
  readonly missing: number;
  readonly is_partial: boolean;
}

/** Answer of `GET /v1/logs/facets`. */
export interface FacetsAnswer {
  readonly facets: readonly FacetObject[];
}

/** Counts of one time step. Steps without records are absent. */
export interface HitsStep {
  readonly timestamp: string;
  readonly timestamp_ms: number;
  readonly total: number;
  /** Without `by`: the number of each level, `NONE` for records without one. */
  readonly levels?: Readonly<Record<string, number>>;
  /** With `by`: the numbers of the values that the answer names; those of 0 are absent. */
  readonly values?: Readonly<Record<string, number>>;
  /** Records with other values, and without one. Absent: none. */
  readonly others?: number;
  readonly missing?: number;
}

interface HitsPeriod {
  readonly start: string;
  readonly end: string;
  readonly hits: readonly HitsStep[];
  readonly total: number;
  readonly is_partial?: true;
}

/** Answer of `GET /v1/logs/hits`. */
export interface HitsAnswer extends HitsPeriod {
  readonly step_ms: number;
  /** With `by`: the field, and its most frequent values, the most frequent first. */
  readonly by?: string;
  readonly values?: readonly string[];
  /** With `compare`: the period that is so much earlier. */
  readonly before?: HitsPeriod & { readonly offset_ms: number };
}
