// Writes rows in one format: JSON lines, a JSON array or CSV. Parquet is in parquet-rows.ts.
// Invariant: the bytes of a row depend on the row and on whether it is the first one, so that a file can be continued.
import { csvCell } from '../../core/record-csv.ts';
import { jsonOf, JsonText, type Cell } from './cell.ts';
import type { ExportFormat } from './export-job.ts';
import type { OutputFile } from './output-file.ts';

/** Receives rows and writes them to a file. */
export interface RowFormat {
  /** Bytes that wait for `flush`, roughly. */
  readonly waiting: number;
  /** Adds a row. */
  add(cells: readonly Cell[]): void;
  /** Writes what waits to the file. */
  flush(): void;
  /** Writes the end of the file, with what waits. */
  end(): void;
  /** The rows up to the last `flush` can be continued in another process. */
  readonly canResume: boolean;
}

interface TextForm {
  readonly head: string;
  /** Between two rows. */
  readonly between: string;
  readonly tail: string;
  row(cells: readonly Cell[]): string;
}

export class TextRows implements RowFormat {
  readonly canResume = true;
  readonly #form: TextForm;
  readonly #file: OutputFile;
  #text = '';
  #isFirst: boolean;

  /** `rows`: number of rows that are in the file already. */
  constructor(form: TextForm, file: OutputFile, rows: number) {
    this.#form = form;
    this.#file = file;
    this.#isFirst = rows === 0;
    if (file.bytes === 0) this.#text = form.head;
  }

  get waiting(): number {
    return this.#text.length;
  }

  add(cells: readonly Cell[]): void {
    const { between } = this.#form;
    this.#text += this.#isFirst ? this.#form.row(cells) : between + this.#form.row(cells);
    this.#isFirst = false;
  }

  flush(): void {
    if (this.#text === '') return;
    this.#file.write(Buffer.from(this.#text));
    this.#text = '';
  }

  end(): void {
    this.#text += this.#form.tail;
    this.flush();
  }
}

/** The form of a format for columns with these names. */
export function textForm(format: Exclude<ExportFormat, 'parquet'>, keys: readonly string[]): TextForm {
  switch (format) {
    case 'jsonl': {
      const row = jsonRows(keys);
      return { head: '', between: '', tail: '', row: (cells) => `${row(cells)}\n` };
    }
    case 'json':
      return { head: '[\n', between: ',\n', tail: '\n]\n', row: jsonRows(keys) };
    case 'csv':
      return {
        head: csvLine(keys),
        between: '',
        tail: '',
        row: (cells) => csvLine(cells.map((cell) => (cell instanceof JsonText ? cell.text : cell))),
      };
  }
}

const csvLine = (cells: readonly (string | number | null)[]): string =>
  `${cells.map((cell) => csvCell(cell ?? undefined)).join(',')}\r\n`;

/** Writes a row as a JSON object. A text that a column had in the row before is not made again. */
function jsonRows(keys: readonly string[]): (cells: readonly Cell[]) => string {
  const names = keys.map((key, i) => `${i === 0 ? '{' : ','}${JSON.stringify(key)}:`);
  const lastCells: Cell[] = [];
  const lastTexts: string[] = [];
  return (cells) => {
    let text = '';
    for (let i = 0; i < names.length; i++) {
      const cell = cells[i]!;
      if (cell !== lastCells[i]) {
        lastCells[i] = cell;
        lastTexts[i] = jsonOf(cell);
      }
      text += names[i]! + (lastTexts[i] ?? 'null');
    }
    return `${text}}`;
  };
}
