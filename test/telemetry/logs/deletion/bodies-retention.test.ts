// Bodies of requests are deleted before their records.
import { mkdirSync } from 'node:fs';
import { afterAll, afterEach, expect, it } from 'vitest';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { placeOfSeq } from '../../../../src/telemetry/logs/place.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';
import { bytesIn } from '../../../kit/stored-bytes.ts';
import { START_TIMEOUT_MS, until } from '../../../kit/until.ts';

const DAY = 86_400_000;

afterEach(closeAdmins);
afterAll(removeFolders);

/** Stores a request and a row of a span, both with a body, as of some days ago. */
function storeDaysAgo(path: string, days: number, name: string): void {
  const nowMs = Date.now() - days * DAY;
  mkdirSync(`${path}/logs`, { recursive: true });
  const writer = new StoreWriter(
    { folder: `${path}/logs`, maxBytes: 2 ** 40, retentionMs: 366 * DAY },
    () => undefined,
    { now: () => nowMs, steady: () => 0 },
  );
  expect(writer.open()).toBe('');
  const timeNs = BigInt(nowMs) * 1_000_000n;
  const body = (text: string) => ({ request: Buffer.from(`${name}-${text}`), response: undefined });
  const request = { ...BLANK, kind: 'request' as const, timeNs, requestId: name, message: `${name}-record` };
  writer.add({ ...request, attributes: '{"has_bodies":true}' }, body('prompt'));
  writer.add(
    { ...BLANK, kind: 'span', timeNs, source: 'project:p', requestId: name, attributes: '{}' },
    body('row'),
  );
  expect(writer.store().kind).toBe('stored');
  writer.close();
}

it('deletes bodies of requests by days, and keeps their records and the rows of spans', async () => {
  const path = folder();
  storeDaysAgo(path, 5, 'old');
  storeDaysAgo(path, 0, 'new');
  const admin = await startAdmin({ path, bodiesMs: 2 * DAY });
  const recordOf = async (id: string): Promise<Record<string, unknown>> =>
    JSON.parse((await call(admin.url, `/v1/logs/${id}`)).text) as Record<string, unknown>;
  const isDeleted = async (): Promise<boolean> => (await recordOf('old'))['bodies_deleted'] === true;
  await until('the old bodies are deleted', isDeleted, START_TIMEOUT_MS);
  expect(await recordOf('old')).toMatchObject({ message: 'old-record' });
  expect(await recordOf('new')).not.toHaveProperty('bodies_deleted');
  expect((await admin.logs.bodies(placeOfSeq(2)))?.request?.toString()).toBeDefined();
  await admin.stop();
  const stored = Buffer.concat([...bytesIn(path).values()]).toString('latin1');
  expect(stored).not.toContain('old-prompt');
  for (const kept of ['old-record', 'old-row', 'new-prompt', 'new-row']) expect(stored).toContain(kept);
}, 120_000);

it('keeps bodies as long as their records by default', async () => {
  const path = folder();
  storeDaysAgo(path, 5, 'old');
  const admin = await startAdmin({ path });
  expect(JSON.parse((await call(admin.url, '/v1/logs/old')).text)).not.toHaveProperty('bodies_deleted');
  expect(await admin.logs.bodies(placeOfSeq(1))).toBeDefined();
});
