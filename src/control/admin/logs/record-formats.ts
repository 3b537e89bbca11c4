// The formats of downloads: NDJSON, CSV and JSON, with all fields of a record or with some.
// Invariant: a field that a record does not have is an empty cell of CSV, and is missing in JSON.
import { COLUMNS, CSV_HEAD, csvCell, csvRow } from '../../../core/record-csv.ts';
import { attributeAt } from '../../../telemetry/logs/logs.ts';
import { attributePath, fieldsProblem } from './record-fields.ts';
import type { LogObject } from './record-json.ts';

COLUMNS satisfies readonly (keyof LogObject)[];

export const FORMATS = ['ndjson', 'csv', 'json'] as const;
export type Format = (typeof FORMATS)[number];

/** Writes the text of a file, record by record. */
export interface FormatWriter {
  readonly mediaType: string;
  readonly head: string;
  readonly tail: string;
  /** `log`: a record, or some of its fields. */
  readonly row: (log: object, isFirst: boolean) => string;
}

/** What is wrong with a list of columns; `undefined`: nothing. `attributes.x` is the attribute x. */
export function columnsProblem(columns: readonly string[]): string | undefined {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  return (
    fieldsProblem('columns', columns) ??
    (twice === undefined ? undefined : `columns: ${JSON.stringify(twice)} is given twice`)
  );
}

function valueOf(log: Partial<LogObject>, column: string): unknown {
  const path = attributePath(column);
  return path === undefined ? log[column as keyof LogObject] : attributeAt(log.attributes, path);
}

/** `columns`: as `columnsProblem` accepts them; `undefined`: all fields. */
export function formatWriter(format: Format, columns: readonly string[] | undefined): FormatWriter {
  if (format === 'csv')
    return {
      mediaType: 'text/csv; charset=utf-8; header=present',
      head: columns === undefined ? CSV_HEAD : `${columns.map(csvCell).join(',')}\r\n`,
      tail: '',
      row:
        columns === undefined
          ? csvRow
          : (log) => `${columns.map((column) => csvCell(valueOf(log, column))).join(',')}\r\n`,
    };
  const text = (log: object): string =>
    JSON.stringify(
      columns === undefined
        ? log
        : Object.fromEntries(columns.map((column) => [column, valueOf(log, column)])),
    );
  return format === 'ndjson'
    ? { mediaType: 'application/x-ndjson', head: '', tail: '', row: (log) => `${text(log)}\n` }
    : {
        mediaType: 'application/json',
        head: '[',
        tail: '\n]\n',
        row: (log, isFirst) => `${isFirst ? '' : ','}\n${text(log)}`,
      };
}
