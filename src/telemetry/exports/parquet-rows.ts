// Writes rows as Parquet, in groups of a limited size. A file cannot be continued in another process, since its end says
// where all groups are.
// Invariant: JSON is a column of texts; times are timestamps, counts are 64-bit integers, other numbers are doubles.
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { JsonText, type Cell } from './cell.ts';
import type { CellKind } from './export-fields.ts';
import type { OutputFile } from './output-file.ts';
import type { RowFormat } from './row-format.ts';

/** Rows, and characters of texts, after which a group is written. */
const GROUP_ROWS = 20_000;
const GROUP_CHARACTERS = 8 * 1024 ** 2;
/** Bytes that are gathered before they are written. */
const CHUNK_BYTES = 1024 ** 2;

const TYPES = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  json: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  time: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
} as const satisfies Record<CellKind, Partial<SchemaElement>>;

type Value = string | number | bigint | null;

function valueOf(kind: CellKind, cell: Cell): Value {
  if (cell === null) return null;
  if (cell instanceof JsonText) return cell.text;
  if (kind === 'time') return BigInt(Date.parse(String(cell)));
  return kind === 'integer' ? BigInt(cell) : cell;
}

/** Writes to the file of a job in large pieces. */
class FileBytes extends ByteWriter {
  readonly #file: OutputFile;

  constructor(file: OutputFile) {
    super(CHUNK_BYTES);
    this.#file = file;
  }

  override ensure(size: number): void {
    if (this.index >= CHUNK_BYTES) this.flush();
    super.ensure(size);
  }

  flush(): void {
    this.#file.write(this.getBytes());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}

export class ParquetRows implements RowFormat {
  readonly #writer: ParquetWriter;
  readonly #kinds: readonly CellKind[];
  readonly #names: readonly string[];
  #columns: Value[][];
  #characters = 0;

  constructor(names: readonly string[], kinds: readonly CellKind[], file: OutputFile) {
    this.#names = names;
    this.#kinds = kinds;
    const columns = names.map((name, i): SchemaElement => ({
      name,
      repetition_type: 'OPTIONAL',
      ...TYPES[kinds[i]!],
    }));
    this.#writer = new ParquetWriter({
      writer: new FileBytes(file),
      schema: [{ name: 'rows', num_children: names.length }, ...columns],
      createdBy: 'weir',
    });
    this.#columns = names.map(() => []);
  }

  add(cells: readonly Cell[]): void {
    for (let i = 0; i < cells.length; i++) {
      const value = valueOf(this.#kinds[i]!, cells[i]!);
      if (typeof value === 'string') this.#characters += value.length;
      this.#columns[i]!.push(value);
    }
    if (this.#columns[0]!.length >= GROUP_ROWS || this.#characters >= GROUP_CHARACTERS) this.#writeGroup();
  }

  flush(): void {
    // Nothing, since small groups make the file large.
  }

  end(): void {
    this.#writeGroup();
    // The writer is not asynchronous, since that of the file is not.
    void this.#writer.finish();
  }

  #writeGroup(): void {
    const rows = this.#columns[0]!.length;
    if (rows === 0) return;
    const columnData = this.#columns.map((data, i) => ({ name: this.#names[i]!, data }));
    void this.#writer.write({ columnData, rowGroupSize: rows });
    this.#columns = this.#names.map(() => []);
    this.#characters = 0;
  }
}
