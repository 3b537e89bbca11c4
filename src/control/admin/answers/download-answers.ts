// What the routes of downloads answer, for clients that are written in TypeScript.
// Invariant: this file imports nothing, so that a page in a browser can use it.

/** A number of records. */
export interface RecordTotal {
  readonly count: number;
  /** False: counting took too long, so there are at least this many. */
  readonly is_exact: boolean;
}

/** Answer of `POST /v1/logs/downloads`. */
export interface DownloadMade {
  readonly id: string;
  /** Records that the file will have. */
  readonly total: RecordTotal;
  /** Needs no key. It must be begun before `expires_at`; a `Range` of it can be asked for as long as the download is kept. */
  readonly url: string;
  /** ISO 8601. */
  readonly expires_at: string;
}

/**
 * `running`: the file is written. `finished`: it is complete. `failed`, `stopped`: there is no file, and a client that was
 * reading it is cut off.
 */
export type DownloadState = 'running' | 'finished' | 'failed' | 'stopped';

/** Answer of `GET /v1/logs/downloads/{id}`. Times are ISO 8601. */
export interface DownloadProgress {
  readonly id: string;
  readonly state: DownloadState;
  readonly format: 'csv' | 'ndjson' | 'json';
  readonly total: RecordTotal;
  /** Records in the file so far. */
  readonly rows: number;
  /** Size of the file so far. */
  readonly bytes: number;
  /** Bytes that clients have been sent: the furthest place in the file. */
  readonly sent_bytes: number;
  /** More records match than the file may have. */
  readonly is_truncated: boolean;
  /** `null`: the URL was not used yet. */
  readonly begun_at: string | null;
  readonly created_at: string;
  /** When the download is forgotten and its file deleted; later while it is read. */
  readonly kept_until: string;
  /** Why it failed; else `null`. */
  readonly error: string | null;
}
