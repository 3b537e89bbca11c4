// Reads the body of a create or update of an export.
import type { JsonObject } from '../../../protocol/llm/json-values.ts';
import { EXPORT_FORMATS, type ExportQuery } from '../../../telemetry/exports/exports.ts';
import { WORKSPACE, type AskedExport } from './export-json.ts';
import { readColumns } from './export-columns.ts';
import { readFilters } from './export-filters.ts';
import type { InsertProblem } from './inserted-fields.ts';

const MAX_TEXT = 1024;

/** Limits of an export by the settings. */
export interface ExportLimits {
  /** 0: no limit. */
  readonly maxRows: number;
  /** Names of fields that may not be exported. */
  readonly denied: readonly string[];
}

/** Keys have both spellings, since clients may send either. */
export function readExport(
  body: JsonObject,
  { maxRows, denied }: ExportLimits,
): { readonly asked: AskedExport; readonly query: ExportQuery } | InsertProblem {
  const requested = body['requested_data'] ?? body['requestedData'];
  const filters = readFilters(body['filters'], maxRows);
  if ('problem' in filters) return filters;
  const columns = readColumns(requested, denied);
  if ('problem' in columns) return columns;
  const wanted = body['format'] ?? 'jsonl';
  const format = EXPORT_FORMATS.find((one) => one === wanted);
  if (format === undefined) return { key: 'format', problem: `must be one of ${EXPORT_FORMATS.join(', ')}` };
  const description = body['description'] ?? '';
  const workspace = body['workspace_id'] ?? body['workspaceId'] ?? WORKSPACE;
  if (!isShort(description))
    return { key: 'description', problem: `must be a text of at most ${MAX_TEXT} characters` };
  if (!isShort(workspace))
    return { key: 'workspace_id', problem: `must be a text of at most ${MAX_TEXT} characters` };
  return {
    asked: {
      filters: body['filters'] ?? {},
      requested_data: Array.isArray(requested) ? requested : [],
      description,
      workspace_id: workspace,
      format,
    },
    query: { ...filters, ...columns, format },
  };
}

const isShort = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_TEXT;
