// Versions of rows in the store: whatever happens between them, readers see the newest one of each row, once.
// Rows are changed, sealed, lost by a broken disk, and read by a store that was opened again.
import { StatementSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { Redactor } from '../../../../src/telemetry/logs/ingest/redact.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { RowIntake } from '../../../../src/telemetry/logs/rows/row-intake.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';

afterEach(() => {
  vi.restoreAllMocks();
  removeFolders();
});

const DAY_MS = 86_400_000;
const SPAN: QueryNode = { op: 'field', name: 'kind', compare: '=', value: 'span' };
const ALL = { fromNs: 0n, toNs: 2n ** 62n } as const;

/** A store with rows, in one thread. */
class RowStore {
  readonly folder = folder();
  nowMs = Date.parse('2026-11-27T12:00:00Z');
  writer!: StoreWriter;
  reader!: StoreReader;
  rows!: RowIntake;

  constructor() {
    this.open();
  }

  open(): void {
    const fail = (path: string, problem: string): never => {
      throw new Error(`${path} is damaged: ${problem}`);
    };
    this.writer = new StoreWriter(
      { folder: this.folder, maxBytes: 2 ** 40, retentionMs: 2 ** 40 },
      () => undefined,
      { now: () => this.nowMs, steady: () => this.nowMs },
    );
    const problem = this.writer.open();
    if (problem !== '') throw new Error(problem);
    this.reader = new StoreReader(
      this.folder,
      { damaged: fail, damagedPage: (path, _, problem) => fail(path, problem) },
      60_000,
    );
    const redactor = new Redactor({ builtIn: true, custom: [] });
    this.rows = new RowIntake(this.folder, { pod: 'p', modelId: 'm' }, redactor, this.writer);
  }

  close(): void {
    this.rows.close();
    this.reader.close();
    this.writer.close();
  }

  post(rows: readonly object[]): void {
    const added = this.rows.add({ bytes: Buffer.from(JSON.stringify({ rows })) }, () => true);
    if (!(typeof added === 'object' && 'rows' in added && added.rows.rejected.length === 0))
      throw new Error(JSON.stringify(added));
  }

  store(): 'stored' | 'lost' {
    const { kind } = this.writer.store();
    if (kind === 'stored') this.rows.stored(this.writer.headSeq);
    else this.rows.lost();
    return kind as 'stored' | 'lost';
  }

  /** Adds lines until the block is full. */
  seal(): void {
    const text = 'x'.repeat(64_000);
    for (let i = 0; i < 131; i++) this.writer.add({ ...BLANK, message: `${i} ${text}` });
  }

  records(direction: 'up' | 'down' = 'up'): LogRecord[] {
    return [
      ...this.reader.page({ ...ALL, node: SPAN, direction, after: undefined, limit: Infinity }).records,
    ];
  }
}

/** What every reader sees: value of each row, by project and id. */
function seen(store: RowStore): Map<string, unknown> {
  const records = store.records();
  expect(store.records('down').map(({ seq }) => seq)).toEqual(records.map(({ seq }) => seq).toReversed());
  const seqs = records.map(({ seq }) => seq).sort((a, b) => a - b);
  expect(store.reader.after(SPAN, 0, 1_000_000).records.map(({ seq }) => seq)).toEqual(seqs);
  for (const node of [SPAN, { op: 'all' } as const]) {
    const step = store.reader.group(
      { node, ...ALL, by: [{ field: 'kind' }], measures: [{ op: 'count' }] },
      undefined,
      true,
    );
    if (step === 'busy' || !('result' in step)) throw new Error('the group query has not ended');
    expect(step.result.groups.find(({ key }) => key[0] === 'span')?.values[0] ?? 0).toBe(records.length);
  }
  const scanned: number[] = [];
  store.reader.scan({ node: SPAN, ...ALL, names: ['requestId'] }, 0, (seq) => scanned.push(seq) > 0);
  expect(scanned).toEqual(seqs);
  for (const record of records) expect(store.reader.at(record.seq)).toEqual(record);
  return new Map(
    records.map(({ source, requestId, attributes }) => [
      `${source} ${requestId}`,
      (JSON.parse(attributes) as { metadata: unknown }).metadata,
    ]),
  );
}

interface WantedRow {
  /** False: only merges have come. */
  readonly isBase: boolean;
  readonly metadata: Readonly<Record<string, number>>;
}

type Step =
  | {
      readonly do: 'row' | 'merge' | 'delete';
      readonly id: string;
      readonly project: string;
      readonly n: number;
    }
  | { readonly do: 'store' | 'fail' | 'seal' | 'open' | 'day' };

const change = fc.record({
  do: fc.constantFrom('row' as const, 'merge' as const, 'merge' as const, 'delete' as const),
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  project: fc.constantFrom('p1', 'p2'),
  n: fc.nat({ max: 5 }),
});
const moment = fc.record({
  do: fc.constantFrom(
    'store' as const,
    'store' as const,
    'fail' as const,
    'seal' as const,
    'open' as const,
    'day' as const,
  ),
});
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: change }, { weight: 2, arbitrary: moment }), {
  maxLength: 40,
});

/** Lets each write fail while `work` runs. */
function onBrokenDisk<T>(work: () => T): T {
  const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(() => {
    throw Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 10 });
  });
  try {
    return work();
  } finally {
    spy.mockRestore();
  }
}

function run(all: readonly Step[]): void {
  const store = new RowStore();
  /** Of all rows as they are sent, and as they are stored. */
  let sent = new Map<string, WantedRow>();
  let stored = new Map<string, WantedRow>();
  const end = (): void => {
    if (store.store() === 'stored') stored = new Map(sent);
    else sent = new Map(stored);
  };
  try {
    for (const step of all) {
      switch (step.do) {
        case 'row':
        case 'merge':
        case 'delete': {
          const { id, project, n } = step;
          const key = `project:${project} ${id}`;
          const before = sent.get(key);
          const own = { [step.do + n]: n };
          if (step.do === 'delete') sent.delete(key);
          else if (step.do === 'merge')
            sent.set(key, { isBase: before?.isBase === true, metadata: { ...before?.metadata, ...own } });
          // Merges that came before the row are applied to it.
          else
            sent.set(key, {
              isBase: true,
              metadata: before?.isBase === false ? { ...own, ...before.metadata } : own,
            });
          store.post([
            {
              id,
              project_id: project,
              // No row is sent twice.
              input: `${Math.random()}`,
              metadata: { [step.do + n]: n },
              metrics: { start: 1_795_740_214 + n },
              _is_merge: step.do === 'merge',
              _object_delete: step.do === 'delete',
            },
          ]);
          break;
        }
        case 'store':
          end();
          break;
        case 'fail':
          onBrokenDisk(end);
          break;
        case 'seal':
          store.seal();
          break;
        case 'day':
          store.nowMs += DAY_MS;
          break;
        case 'open':
          end();
          store.close();
          store.open();
          break;
      }
      if (step.do === 'store' || step.do === 'open') expectRows(store, stored);
    }
    end();
    expectRows(store, stored);
  } finally {
    store.close();
  }
}

function expectRows(store: RowStore, wanted: ReadonlyMap<string, WantedRow>): void {
  const found = seen(store);
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [key, { metadata }] of wanted) expect(found.get(key), key).toEqual(metadata);
}

it('are hidden but for the newest one, in every reader', () => {
  fc.assert(
    fc.property(steps, (all) => run(all)),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 20) },
  );
}, 120_000);
