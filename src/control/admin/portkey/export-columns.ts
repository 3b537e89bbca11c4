// The fields of an export of Portkey's API: the names of the guide and of the API for the same values.
// Invariant: a denied field is denied under both of its names.
// Source: docs/contracts/portkey.md 5.3.
import { unknownName } from '../../../core/nearest-name.ts';
import type { ExportColumn, ExportField } from '../../../telemetry/exports/exports.ts';
import type { InsertProblem } from './inserted-fields.ts';

/** Fields by the names of the guide, in its order. */
const OF_GUIDE: Readonly<Record<string, ExportField>> = {
  id: 'id',
  trace_id: 'trace_id',
  created_at: 'created_at',
  request: 'request',
  response: 'response',
  ai_provider: 'provider',
  ai_model: 'model',
  request_tokens: 'input_tokens',
  response_tokens: 'output_tokens',
  total_tokens: 'total_tokens',
  cost: 'cost',
  cost_currency: 'cost_currency',
  response_time: 'response_time',
  status_code: 'status',
  config: 'config',
  prompt_slug: 'prompt_slug',
  metadata: 'metadata',
};
/** Other names, of the API. */
const OF_API: Readonly<Record<string, ExportField>> = {
  ai_org: 'provider',
  req_units: 'input_tokens',
  res_units: 'output_tokens',
  total_units: 'total_tokens',
  response_status_code: 'status',
  is_success: 'is_success',
  request_url: 'request_url',
  mode: 'mode',
};
const ALL: Readonly<Record<string, ExportField>> = { ...OF_GUIDE, ...OF_API };

/** All names of fields. */
export const EXPORT_NAMES: readonly string[] = Object.keys(ALL);

/** Every name of the fields that the settings deny by one of their names. */
export function deniedNames(denied: readonly string[]): string[] {
  const fields = new Set(denied.map((name) => ALL[name]));
  return EXPORT_NAMES.filter((name) => fields.has(ALL[name]));
}

/** The columns for the asked names; without names, all fields of the guide that are not denied. */
export function readColumns(
  asked: unknown,
  denied: readonly string[],
): { readonly columns: readonly ExportColumn[] } | InsertProblem {
  const refused = deniedNames(denied);
  const columnOf = (key: string): ExportColumn => ({ key, field: ALL[key]! });
  if (asked === undefined || asked === null)
    return {
      columns: Object.keys(OF_GUIDE)
        .filter((name) => !refused.includes(name))
        .map(columnOf),
    };
  const key = 'requested_data';
  if (!Array.isArray(asked) || !asked.every((name) => typeof name === 'string'))
    return { key, problem: 'must be a list of fields' };
  if (asked.length === 0) return { key, problem: 'is empty; leave it out for all fields' };
  const names = [...new Set(asked)];
  const unknown = names.find((name) => !Object.hasOwn(ALL, name));
  if (unknown !== undefined) return { key, problem: `has an ${unknownName('field', unknown, EXPORT_NAMES)}` };
  const kept = names.filter((name) => refused.includes(name));
  if (kept.length > 0) return { key, problem: `has fields that may not be exported: ${kept.join(', ')}` };
  return { columns: names.map(columnOf) };
}
