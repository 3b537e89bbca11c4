// An export job as clients of Portkey get it.
// Invariant: all keys are always there, and filters and requested_data are those that the client sent.
import { createHash } from 'node:crypto';
import type {
  ExportFormat,
  ExportJob,
  ExportQuery,
  PreviewedExport,
} from '../../../telemetry/exports/exports.ts';
import type { ExportAnswer, ExportPreview } from '../answers/export-answers.ts';

/** What a client has asked for, as it is given back. */
export interface AskedExport {
  readonly filters: unknown;
  readonly requested_data: readonly unknown[];
  readonly description: string;
  readonly workspace_id: string;
  readonly format: ExportFormat;
}

/** A weir has one organisation and one workspace. */
export const ORGANISATION = '00000000-0000-4000-8000-000000000001';
export const WORKSPACE = '00000000-0000-4000-8000-000000000003';

/** A UUID that is the same for the same text. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** `nameOf`: name of the key with an id; `undefined`: there is none any more. */
export function exportJson(job: ExportJob, nameOf: (id: string) => string | undefined): ExportAnswer {
  const { filters, requested_data, description, workspace_id, format } = job.asked as AskedExport;
  return {
    id: job.id,
    organisation_id: ORGANISATION,
    filters,
    requested_data,
    status: job.state,
    description,
    created_at: iso(job.createdAtMs),
    last_updated_at: iso(job.updatedAtMs),
    created_by: uuidOf(job.owner),
    created_by_name: nameOf(job.owner) ?? null,
    workspace_id,
    total_records: job.total,
    object: 'export',
    error: job.error,
    exported_records: job.exportedRecords,
    missed_records: job.missedRecords,
    is_total_exact: job.isTotalExact,
    bytes: job.bytes,
    sha256: job.sha256,
    format,
    expires_at: job.expiresAtMs === null ? null : iso(job.expiresAtMs),
    has_file: job.hasFile,
    history: job.history.map(({ atMs, state, error }) => ({ at: iso(atMs), status: state, error })),
  };
}

/** What a query would export. */
export function previewJson(
  { matched, total, isTotalExact, rows, rowBytes }: PreviewedExport,
  { columns }: ExportQuery,
): ExportPreview {
  return {
    object: 'export-preview',
    matched_records: matched,
    total_records: total,
    is_total_exact: isTotalExact,
    estimated_bytes: rowBytes === null ? null : rowBytes * total,
    columns: columns.map(({ key }) => key),
    sample: rows,
  };
}
