// What the routes of export jobs answer, for clients that are written in TypeScript.
// Invariant: this file imports nothing, so that a page in a browser can use it.

export type ExportStatus = 'draft' | 'in_progress' | 'success' | 'failure' | 'stopped';

/** A change of the status of an export. */
export interface ExportStep {
  /** ISO 8601. */
  readonly at: string;
  readonly status: ExportStatus;
  /** Why it failed; else `null`. */
  readonly error: string | null;
}

/** An export. Times are ISO 8601. */
export interface ExportAnswer {
  readonly object: 'export';
  readonly id: string;
  readonly organisation_id: string;
  readonly workspace_id: string;
  readonly filters: unknown;
  readonly requested_data: readonly unknown[];
  readonly description: string;
  readonly format: 'jsonl' | 'json' | 'csv' | 'parquet';
  readonly status: ExportStatus;
  readonly created_at: string;
  readonly last_updated_at: string;
  /** A UUID of the key that has created it. */
  readonly created_by: string;
  /** Name of that key; `null`: the key was removed, or the request had none. */
  readonly created_by_name: string | null;
  readonly total_records: number;
  readonly is_total_exact: boolean;
  readonly exported_records: number;
  /** Records that were deleted before they could be read. */
  readonly missed_records: number;
  readonly bytes: number;
  readonly sha256: string | null;
  readonly error: string | null;
  /** When its file is deleted. */
  readonly expires_at: string | null;
  /** False: there is no file, or it is gone. */
  readonly has_file: boolean;
  /** The oldest first, at most 50. */
  readonly history: readonly ExportStep[];
}

/** Answer of `POST /v1/logs/exports/preview`. */
export interface ExportPreview {
  readonly object: 'export-preview';
  /** Records that match. */
  readonly matched_records: number;
  /** Records that would be in the file: without `offset`, at most the limit. */
  readonly total_records: number;
  /** False: counting took too long, so there are at least this many. */
  readonly is_total_exact: boolean;
  /** Size of the file with its bodies, from the first rows; `null` without rows. */
  readonly estimated_bytes: number | null;
  /** Names of the columns of the file. */
  readonly columns: readonly string[];
  /** The first rows by these names, at most 100. Bodies are left out. */
  readonly sample: readonly Readonly<Record<string, unknown>>[];
}
