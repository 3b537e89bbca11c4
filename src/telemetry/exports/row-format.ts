// The formats of exported files: JSON lines, a JSON array, CSV and Parquet.
// Invariant: the bytes of a row depend on the row and on whether it is the first one, so that a file of texts can be
// continued in another process.
import { csvCell } from '../../core/record-csv.ts';
import { JsonText, type Cell } from './cell.ts';
import type { CellKind } from './export-fields.ts';
import type { ExportFormat } from './export-job.ts';
import { JsonRows } from './json-rows.ts';
import type { OutputFile } from './output-file.ts';
import { ParquetRows } from './parquet-rows.ts';
import { RowBuffer } from './row-buffer.ts';

/** Receives rows and writes them to a file. */
export interface RowFormat {
  /** Adds a row, and writes many of them together. */
  add(cells: readonly Cell[]): void;
  /** Writes what waits to the file. */
  flush(): void;
  /** Writes the end of the file, with what waits. */
  end(): void;
}

/** The columns of a file. */
export interface FormatColumns {
  readonly keys: readonly string[];
  readonly kinds: readonly CellKind[];
}

/** False: a file of this format must be written again if it is not complete. */
export const canContinue = (format: ExportFormat): boolean => format !== 'parquet';

/** Writes a file of this format. `rows`: number of rows that it has already. */
export function rowFormat(
  format: ExportFormat,
  { keys, kinds }: FormatColumns,
  file: OutputFile,
  rows: number,
): RowFormat {
  if (format === 'parquet') return new ParquetRows(keys, kinds, file);
  const out = new RowBuffer(file);
  const isNew = file.bytes === 0;
  return format === 'csv'
    ? new CsvRows(keys, out, isNew)
    : new JsonRows(keys, format === 'json', out, isNew, rows);
}

class CsvRows implements RowFormat {
  readonly #out: RowBuffer;

  constructor(keys: readonly string[], out: RowBuffer, isNew: boolean) {
    this.#out = out;
    if (isNew) out.text(csvLine(keys));
  }

  add(cells: readonly Cell[]): void {
    this.#out.text(csvLine(cells));
  }

  flush(): void {
    this.#out.flush();
  }

  end(): void {
    this.#out.flush();
  }
}

function csvLine(cells: readonly Cell[]): string {
  let line = '';
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i]!;
    const text = csvCell(cell instanceof JsonText ? cell.text : (cell ?? undefined));
    line += i === 0 ? text : `,${text}`;
  }
  return `${line}\r\n`;
}
