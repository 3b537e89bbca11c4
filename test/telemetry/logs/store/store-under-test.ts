// The stores whose answers equivalence.test.ts compares, behind one interface.
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { listSegments } from '../../../../src/telemetry/logs/store/segments.ts';
import { writeV1File } from '../../../kit/v1-files.ts';
import type { Given } from './arbitrary-rows.ts';
import type { StoreRules } from './reference-store.ts';

export interface StoreUnderTest {
  readonly reader: Pick<StoreReader, 'page' | 'after' | 'at' | 'bodies' | 'group' | 'scan'>;
  /** `day`: the UTC day on which they are stored, for example `20261121`. Days never go backwards. */
  append(given: readonly Given[], day: string): void;
  close(): void;
}

/** Opens a store in a folder, which may contain one of the same kind. */
export type OpenStore = (folder: string) => StoreUnderTest;

/** Long enough for every call, so that only limits end a page. */
const BUDGET_MS = 60_000;

function readerOf(folder: string): StoreReader {
  const fail = (path: string, problem: string) => {
    throw new Error(`${path} is damaged: ${problem}`);
  };
  const events = {
    damaged: fail,
    damagedPage: (path: string, _: number, problem: string) => fail(path, problem),
  };
  return new StoreReader(folder, events, BUDGET_MS);
}

/** Files of version 1. weir does not write them, so a reader never sees one grow. */
function openV1Files(folder: string): StoreUnderTest {
  let reader = readerOf(folder);
  return {
    get reader() {
      return reader;
    },
    append: (given, day) => {
      const { headSeq } = reader.after({ op: 'all' }, 0, 1);
      const firstSeq = listSegments(folder).find((file) => file.day === day)?.firstSeq ?? headSeq + 1;
      writeV1File(
        folder,
        day,
        firstSeq,
        given.map(({ row, bodies }) => ({ record: row.expected, bodies })),
      );
      reader.close();
      reader = readerOf(folder);
    },
    close: () => reader.close(),
  };
}

/** Files of the version that weir writes. */
function openStore(folder: string): StoreUnderTest {
  let nowMs = 0;
  const writer = new StoreWriter(
    { folder, maxBytes: 2 ** 40, retentionMs: 2 ** 40 },
    (level, event, fields) => {
      if (level === 'error') throw new Error(`${event} ${JSON.stringify(fields)}`);
    },
    { now: () => nowMs, steady: () => nowMs },
  );
  const problem = writer.open();
  if (problem !== '') throw new Error(problem);
  const reader = readerOf(folder);
  return {
    reader,
    append: (given, day) => {
      nowMs = Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T12:00:00Z`);
      for (const { row, bodies } of given) {
        const rows = writer.rows()!;
        const seq = rows.nextSeq;
        row.addTo(rows);
        if (bodies) writer.addBodies({ seq, ...bodies });
      }
      const { kind } = writer.store();
      if (kind !== 'stored') throw new Error(kind);
    },
    close: () => {
      reader.close();
      writer.close();
    },
  };
}

/** Each of them must answer as reference-store.ts does. */
export const STORES: readonly (readonly [name: string, open: OpenStore, rules: StoreRules])[] = [
  // Version 1 has no columns for the pod and the model.
  [
    'files of version 1',
    openV1Files,
    { stored: (record) => ({ ...record, pod: '', modelId: '' }), joinsInFile: true },
  ],
  ['files of version 2', openStore, { stored: (record) => record, joinsInFile: false }],
];
