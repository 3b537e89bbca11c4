// A process that is killed while it stores versions of rows.
import { cpSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { Redactor } from '../../../../src/telemetry/logs/ingest/redact.ts';
import { RowIntake } from '../../../../src/telemetry/logs/rows/row-intake.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeStores, line, OwnStore } from '../../../kit/own-store.ts';
import { onStatement } from '../../../kit/statements.ts';

/** A process is killed at each of so many statements that write parts of a block. */
const EVERY_PART = 40;

afterEach(() => {
  vi.restoreAllMocks();
  closeStores();
  removeFolders();
});

const intakeOf = (store: OwnStore): RowIntake =>
  new RowIntake(
    store.path,
    { pod: 'p', modelId: 'm' },
    new Redactor({ builtIn: true, custom: [] }),
    store.writer,
  );

const post = (rows: RowIntake, n: number, ids: readonly string[]): void => {
  const body = {
    rows: ids.map((id) => ({
      id,
      project_id: 'p1',
      metadata: { n },
      input: `${n}`,
      metrics: { start: 1_795_740_214 },
    })),
  };
  expect(rows.add({ bytes: Buffer.from(JSON.stringify(body)) }, () => true)).toMatchObject({
    rows: { ids, rejected: [] },
  });
};

/** Versions of all rows that a reader sees, by id. */
const versions = (store: OwnStore): Record<string, unknown> => {
  const records = store.all('kind:span');
  const seen = records.map(({ requestId, attributes }): [string, unknown] => [
    requestId,
    (JSON.parse(attributes) as { metadata: { n: number } }).metadata.n,
  ]);
  expect(new Set(seen.map(([id]) => id)).size).toBe(seen.length);
  return Object.fromEntries(seen);
};

it('has each row once, in the version that was acknowledged last or the next one', () => {
  const store = new OwnStore();
  const rows = intakeOf(store);
  const ids = ['a', 'b', 'c'];
  const copies: { path: string; acknowledged: number; sent: number }[] = [];
  let [acknowledged, sent, parts] = [0, 0, 0];
  const end = onStatement((sql) => {
    if (sql.includes('INTO pages') && parts++ % EVERY_PART !== 0) return;
    const path = folder();
    cpSync(store.path, path, { recursive: true });
    copies.push({ path, acknowledged, sent });
  });
  const text = 'x'.repeat(64_000);
  for (sent = 1; sent <= 12; sent++) {
    post(rows, sent, ids);
    // A block is full with 8 million characters.
    if (sent % 4 === 0) for (let i = 0; i < 131; i++) store.writer.add(line(`${i} ${text}`));
    if (sent % 6 === 0) post(rows, sent, ids.slice(0, 1));
    expect(store.writer.store()).toEqual({ kind: 'stored' });
    rows.stored(store.writer.headSeq);
    acknowledged = sent;
  }
  end();
  rows.close();
  expect(copies.length).toBeGreaterThan(60);
  for (const { path, acknowledged: last, sent: next } of copies.filter((_, i) => i % 4 === 0)) {
    const copy = new OwnStore(path);
    const seen = versions(copy);
    const of = (n: number): Record<string, unknown> =>
      n === 0 ? {} : Object.fromEntries(ids.map((id) => [id, n]));
    expect([of(last), of(next)]).toContainEqual(seen);
    const again = intakeOf(copy);
    post(again, 99, ids);
    expect(copy.writer.store()).toEqual({ kind: 'stored' });
    expect(versions(copy)).toEqual(of(99));
    again.close();
    copy.close();
    expect(copy.logged).toEqual([]);
  }
}, 120_000);
