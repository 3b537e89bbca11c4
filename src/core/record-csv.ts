// Records as CSV (RFC 4180), for downloads and for weir logs.
// Invariant: no spreadsheet runs a formula of the file. A text that looks like a formula gets an apostrophe in front,
// as OWASP recommends.
import { escapedJson } from './escaped-json.ts';

/** Fields of a record as clients get it, in the order of the columns. */
export const COLUMNS = [
  'timestamp',
  'timestamp_ns',
  'seq',
  'kind',
  'level',
  'message',
  'request_id',
  'trace_id',
  'span_id',
  'parent_span_id',
  'deployment',
  'environment',
  'replica',
  'source',
  'pod',
  'model_id',
  'status',
  'duration_ms',
  'attributes',
] as const;

/** A record as input of a row. A field that the record does not have gives an empty cell. */
export type CsvRecord = { readonly [name in (typeof COLUMNS)[number]]?: unknown };

/** First characters of formulas: `=`, `+`, `-`, `@`, tab and line ends, also in their full-width forms. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** A value as a cell. `undefined` gives an empty one. */
export function csvCell(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : escapedJson(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const CSV_HEAD = `${COLUMNS.join(',')}\r\n`;

/** One record as a row with its line end. */
export const csvRow = (record: CsvRecord): string =>
  `${COLUMNS.map((name) => csvCell(record[name])).join(',')}\r\n`;
