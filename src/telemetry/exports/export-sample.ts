// The first rows of a query, for a preview of an export, and how large its file may be.
// Invariant: bodies are measured and never returned.
import { csvCell } from '../../core/record-csv.ts';
import type { ReadStore, ScanQuery } from '../logs/logs.ts';
import { JsonText, type Cell } from './cell.ts';
import { RowColumns } from './export-fields.ts';
import type { ExportQuery } from './export-job.ts';
import { scanRange, StoreRow } from './store-row.ts';

/** Rows that are read, and of these the ones whose bodies are measured, since that reads their pages. */
const MAX_ROWS = 100;
const MAX_BODIES = 25;
const BODY_FIELDS: ReadonlySet<string> = new Set(['request', 'response']);

export interface ExportSample {
  /** The first rows by the names of columns, without bodies. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Bytes of a row with its bodies, on average; `null`: without rows, or for Parquet, which is compressed. */
  readonly rowBytes: number | null;
}

/** Reads rows of the records above `startSeq` up to `endSeq`, for about `ms` milliseconds. */
export function readSample(
  store: ReadStore,
  query: ExportQuery,
  startSeq: number,
  endSeq: number,
  ms: number,
): ExportSample {
  const endMs = performance.now() + ms;
  const shown = query.columns.filter(({ field }) => !BODY_FIELDS.has(field));
  const withBodies = query.columns.filter(({ field }) => BODY_FIELDS.has(field));
  const columns = new RowColumns(shown.map(({ field }) => field));
  const scan: ScanQuery = { node: query.node, ...scanRange(query), names: columns.names };
  const limit = query.limit === 0 ? MAX_ROWS : Math.min(query.limit, MAX_ROWS);
  const row = new StoreRow(store);
  const cells: Cell[] = [];
  const rows: Record<string, unknown>[] = [];
  let [bytes, bodyBytes, measured, skipped] = [0, 0, 0, 0];
  for (let seq = startSeq; seq < endSeq && rows.length < limit && performance.now() < endMs;) {
    const { lastSeq } = store.scan(scan, seq, (at, timeMs, values) => {
      if (at > endSeq) return false;
      if (skipped < query.offset) {
        skipped++;
        return true;
      }
      row.set(at, timeMs, values);
      columns.read(row, cells);
      rows.push(Object.fromEntries(shown.map(({ key }, i) => [key, valueOf(cells[i]!)])));
      bytes += cells.reduce((sum: number, cell, i) => sum + sizeOfCell(cell, shown[i]!.key, query), 0);
      if (withBodies.length > 0 && measured < MAX_BODIES) {
        measured++;
        for (const { field, key } of withBodies)
          bodyBytes += key.length + (row.bodies[field as 'request' | 'response']?.length ?? 4);
      }
      return rows.length < limit;
    });
    // A reader that gets no further is at the end.
    seq = lastSeq > seq ? lastSeq : endSeq;
  }
  const isKnown = rows.length > 0 && query.format !== 'parquet';
  const ofBodies = measured === 0 ? 0 : bodyBytes / measured;
  return { rows, rowBytes: isKnown ? Math.round(bytes / rows.length + ofBodies) : null };
}

const valueOf = (cell: Cell): unknown =>
  cell instanceof JsonText ? (JSON.parse(cell.text) as unknown) : cell;

/** Bytes of a cell with what separates it from the next one. */
function sizeOfCell(cell: Cell, key: string, { format }: ExportQuery): number {
  const text = cell instanceof JsonText ? cell.text : undefined;
  if (format === 'csv') return Buffer.byteLength(csvCell(text ?? cell ?? undefined)) + 1;
  return Buffer.byteLength(text ?? JSON.stringify(cell)) + key.length + 4;
}
