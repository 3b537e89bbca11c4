// What the routes of saved views answer, for clients that are written in TypeScript.
// Invariant: this file imports nothing, so that a page in a browser can use it.

/** A saved view. Times are ISO 8601. */
export interface ViewAnswer {
  readonly id: string;
  readonly name: string;
  /** Path and query within the page, such as `/ui/logs?q=level:error`. */
  readonly address: string;
  /** Name of the key that saved it; `no key` for requests from this machine. */
  readonly created_by: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** Answer of `GET /v1/view`: in the order of names. */
export interface ViewList {
  readonly views: readonly ViewAnswer[];
}
