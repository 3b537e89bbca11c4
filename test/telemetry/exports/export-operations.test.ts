// The files of export jobs have what a plain encoder makes of the records, in all formats, and after any restarts.
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parquetReadObjects, parquetMetadata } from 'hyparquet';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExportCheckpoint } from '../../../src/telemetry/exports/export-job.ts';
import { fileOperations } from '../../../src/telemetry/exports/export-operations.ts';
import {
  EXPORT_FIELDS,
  EXPORT_FORMATS,
  type ExportColumn,
  type ExportFormat,
  type ExportQuery,
} from '../../../src/telemetry/exports/exports.ts';
import type { ReadStore } from '../../../src/telemetry/logs/logs.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { closeStores, NOON, OwnStore } from '../../kit/own-store.ts';
import { question } from '../logs/store/arbitrary-questions.ts';
import { drain } from '../logs/store/arbitrary-rows.ts';
import { ReferenceStore } from '../logs/store/reference-store.ts';
import { STORES } from '../logs/store/store-under-test.ts';
import { request } from './export-store.ts';
import { csvRows, csvValue, plainValue, type PlainRow } from './plain-rows.ts';

afterEach(() => {
  closeStores();
  removeFolders();
});

const columns: fc.Arbitrary<ExportColumn[]> = fc.uniqueArray(
  fc.record({
    key: fc.constantFrom(...EXPORT_FIELDS, 'a b', 'Status', '"', '=1', '超'),
    field: fc.constantFrom(...EXPORT_FIELDS),
  }),
  { minLength: 1, maxLength: 8, selector: ({ key }) => key },
);

interface Task {
  readonly query: ExportQuery;
  readonly endSeq: number;
  /** Steps after which the process is killed, and how many bytes of the last write are on disk. */
  readonly kills: readonly { readonly steps: number; readonly more: string }[];
  readonly rowsPerScan: number;
}

/** Runs a job as the runner does, with kills. Returns its file. */
function exported(store: ReadStore, { query, endSeq, kills, rowsPerScan }: Task): Buffer {
  const path = join(folder(), 'file');
  const slow: ReadStore = {
    bodies: (seq) => store.bodies(seq),
    scan: (asked, seq, add) => {
      let rows = 0;
      return store.scan(asked, seq, (...row) => add(...row) && ++rows < rowsPerScan);
    },
  };
  const open = () => fileOperations(slow);
  let checkpoint: ExportCheckpoint | null = null;
  const task = { path, query, startSeq: 0, endSeq, maxBytes: 2 ** 30 };
  for (const { steps, more } of kills) {
    const process = open();
    process.begin({ ...task, checkpoint });
    for (let i = 0; i < steps; i++) {
      const result = process.step(0, i % 2 === 0);
      if (result.sha256 !== undefined) break;
      if (i % 2 === 0) ({ checkpoint } = result);
    }
    process.close();
    appendFileSync(path, more);
  }
  const process = open();
  process.begin({ ...task, checkpoint });
  for (let i = 0; i < 10_000; i++)
    if (process.step(0, false).sha256 !== undefined) {
      process.close();
      return readFileSync(path);
    }
  throw new Error('the export does not end');
}

/** The rows of a file, as values of JSON; of CSV as texts. */
async function rowsIn(format: ExportFormat, bytes: Buffer): Promise<PlainRow[] | string[][]> {
  const text = bytes.toString();
  if (format === 'json') return JSON.parse(text) as PlainRow[];
  if (format === 'csv') return csvRows(text);
  if (format === 'jsonl')
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as PlainRow);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  return parquetReadObjects({ file });
}

/** Values as they are in a file of this format. */
function valuesAs(format: ExportFormat, { field }: ExportColumn, value: unknown): unknown {
  if (format !== 'parquet' || value === null) return value;
  if (field === 'created_at') return new Date(value as string);
  if (typeof value === 'number' && !['request', 'response'].includes(field))
    return ['cost', 'response_time'].includes(field) ? value : BigInt(value);
  return (typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed();
}

const task = fc.record({
  question,
  isAll: fc.boolean(),
  columns,
  offset: fc.constantFrom(0, 0, 1, 5),
  limit: fc.constantFrom(0, 0, 3),
  rowsPerScan: fc.integer({ min: 1, max: 4 }),
  kills: fc.array(
    fc.record({ steps: fc.integer({ min: 0, max: 5 }), more: fc.constantFrom('', '{"id":', '\n') }),
    { maxLength: 3 },
  ),
});

/** Expects the file of a task to have what a plain encoder makes of the records. Returns the number of its rows. */
async function expectFileOf(
  format: ExportFormat,
  store: ReadStore,
  reference: ReferenceStore,
  { question, isAll, columns, offset, limit, ...how }: typeof task extends fc.Arbitrary<infer T> ? T : never,
): Promise<number> {
  const { range } = question;
  const node = isAll ? ({ op: 'all' } as const) : question.node;
  const [fromMs, toMs] = [Number(range.fromNs / 1_000_000n), Number(range.toNs / 1_000_000n)];
  const query = { node, fromMs, toMs, offset, limit, columns, format };
  const read = await rowsIn(format, exported(store, { ...how, query, endSeq: reference.all.length }));
  const found = reference
    .matching(node)
    .filter(({ timeNs }) => timeNs / 1_000_000n >= BigInt(fromMs) && timeNs / 1_000_000n <= BigInt(toMs))
    .slice(offset, limit === 0 ? undefined : offset + limit);
  const plain = found.map((record) =>
    columns.map((column) => plainValue(column.field, record, reference.bodies(record.seq))),
  );
  const rowOf = (values: readonly unknown[]): PlainRow =>
    Object.fromEntries(columns.map((column, i) => [column.key, valuesAs(format, column, values[i])]));
  expect(read).toEqual(
    format === 'csv'
      ? [columns.map(({ key }) => csvValue(key)), ...plain.map((values) => values.map(csvValue))]
      : plain.map(rowOf),
  );
  if (format === 'jsonl')
    for (const row of read) expect(Object.keys(row)).toEqual(columns.map(({ key }) => key));
  return found.length;
}

describe.each(STORES)('%s', (_, openStore, rules) => {
  it.each(EXPORT_FORMATS)('give %s files with all rows and columns, also after kills', async (format) => {
    let rows = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(drain, { minLength: 1, maxLength: 3 }),
        fc.array(task, { minLength: 4, maxLength: 8 }),
        async (drains, tasks) => {
          const reference = new ReferenceStore(rules);
          const store = openStore(folder());
          try {
            for (const given of drains.filter(({ length }) => length > 0)) {
              store.append(given, '20261120');
              reference.append(given, '20261120');
            }
            for (const task of tasks) rows += await expectFileOf(format, store.reader, reference, task);
          } finally {
            store.close();
          }
        },
      ),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 5) },
    );
    expect(rows).toBeGreaterThan(10);
  });
});

describe('a file', () => {
  const query = (format: ExportFormat, fields: readonly ExportColumn[]): ExportQuery => ({
    node: { op: 'all' },
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    offset: 0,
    limit: 0,
    columns: fields,
    format,
  });

  it('has costs in cents without the errors of binary fractions', () => {
    const store = new OwnStore();
    const costs = [0.001, 0.07, 1.1, 0.0003, 12.345678901234, 98_765_432.1, 1e-12];
    store.add(...costs.map((cost, i) => request(`r${i}`, { attributes: JSON.stringify({ cost }) })));
    const task = { endSeq: costs.length, kills: [], rowsPerScan: 100 };
    const bytes = exported(store.reader, {
      ...task,
      query: query('jsonl', [{ key: 'cost', field: 'cost' }]),
    });
    expect(bytes.toString().trim().split('\n')).toEqual(
      ['0.1', '7', '110', '0.03', '1234.5678901234', '9876543210', '1e-10'].map((cost) => `{"cost":${cost}}`),
    );
  });

  it('keeps the numbers and names of bodies as they were, on one line', () => {
    const store = new OwnStore();
    const rows = store.writer.rows()!;
    const seq = rows.nextSeq;
    store.add(request('r1'));
    store.writer.addBodies({
      seq,
      request: Buffer.from('{\n  "n": 12345678901234567890,\r\n  "a": "x\\ny", "1": 0\n}'),
      response: Buffer.from('plain "text"'),
    });
    store.add(request('r2'));
    const fields = [
      { key: 'request', field: 'request' },
      { key: 'response', field: 'response' },
    ] as const;
    const bytes = exported(store.reader, {
      endSeq: 2,
      kills: [],
      rowsPerScan: 100,
      query: query('jsonl', fields),
    });
    expect(bytes.toString()).toBe(
      '{"request":{   "n": 12345678901234567890,   "a": "x\\ny", "1": 0 },"response":"plain \\"text\\""}\n' +
        '{"request":null,"response":null}\n',
    );
  });

  it('has groups of a limited number of rows as Parquet', () => {
    const store = new OwnStore();
    store.nowMs = NOON;
    store.add(...Array.from({ length: 25_000 }, (_, i) => request(`r${i}`)));
    const bytes = exported(store.reader, {
      endSeq: 25_000,
      kills: [],
      rowsPerScan: 10_000,
      query: query('parquet', [{ key: 'id', field: 'id' }]),
    });
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    expect(parquetMetadata(file).row_groups.map(({ num_rows: count }) => Number(count))).toEqual([
      20_000, 5000,
    ]);
  });

  it('begins a cell with an apostrophe if a spreadsheet would run it', () => {
    const store = new OwnStore();
    store.add(request('=HYPERLINK("http://a")'), request('-1'));
    const bytes = exported(store.reader, {
      endSeq: 2,
      kills: [],
      rowsPerScan: 100,
      query: query('csv', [{ key: 'id', field: 'id' }]),
    });
    expect(bytes.toString()).toBe(`id\r\n"'=HYPERLINK(""http://a"")"\r\n'-1\r\n`);
  });
});
