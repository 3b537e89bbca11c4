// Records are deleted for good: from all answers at once, and then from the files.
import { readdirSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { messages, post, search } from '../../../kit/log-api.ts';
import { BLANK } from '../../../kit/records.ts';
import { bytesIn } from '../../../kit/stored-bytes.ts';
import { START_TIMEOUT_MS, until } from '../../../kit/until.ts';

afterEach(closeAdmins);
afterAll(removeFolders);

const JSON_TYPE = { 'content-type': 'application/json' };

interface DeletionAnswer {
  readonly id: string;
  readonly state: string;
  readonly records: number;
  readonly by_kind: Record<string, number>;
  readonly annotations: number;
}

async function ask(admin: OpenAdmin, path: string, body: object): Promise<unknown> {
  const { status, text } = await call(admin.url, path, {
    method: 'POST',
    headers: JSON_TYPE,
    body: JSON.stringify(body),
  });
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

const deleted = async (admin: OpenAdmin, q: string, more: object = {}): Promise<DeletionAnswer> =>
  (await ask(admin, '/v1/logs/deletions', { q, ...more })) as DeletionAnswer;

async function removed(admin: OpenAdmin, id: string): Promise<void> {
  const isRemoved = async (): Promise<boolean> => {
    const { text } = await call(admin.url, `/v1/logs/deletions/${id}`);
    return (JSON.parse(text) as { state: string }).state === 'removed';
  };
  // By a thread of low priority.
  await until('the records are in no file', isRemoved, START_TIMEOUT_MS);
}

/** A request with bodies, as another gateway sends it. */
const inserted = (user: string, content: string) => ({
  request: {
    url: 'https://api.example.com/v1/chat/completions',
    method: 'POST',
    headers: {},
    body: { model: 'm', messages: [{ role: 'user', content }] },
  },
  response: { status: 200, headers: {}, body: { id: 'c', choices: [] }, response_time: 10 },
  metadata: { traceId: `trace-${user}`, user },
});

function expectInNoFile(path: string, text: string, kept: string): void {
  const all = bytesIn(path);
  for (const [file, bytes] of all) expect(bytes.includes(text), `${text} in ${file}`).toBe(false);
  expect(Buffer.concat([...all.values()]).includes(kept)).toBe(true);
}

const countOf = async (admin: OpenAdmin, q: string): Promise<number> => {
  const { text } = await call(
    admin.url,
    `/v1/logs/hits?${new URLSearchParams({ q, since: '1h' }).toString()}`,
  );
  return (JSON.parse(text) as { total: number }).total;
};

describe('a deletion', () => {
  it('takes records out of every answer at once', async () => {
    const admin = await startAdmin();
    const lines = Array.from({ length: 200 }, (_, i) => ({
      message: `line ${i}`,
      user: i % 4 === 0 ? 'ann' : 'bob',
    }));
    await post(admin, lines);
    const [ann] = (await search(admin, { q: 'user:ann', limit: '1' })).logs;
    expect(await countOf(admin, 'kind:line')).toBe(200);
    expect(await deleted(admin, 'user:ann', { dry_run: true })).toMatchObject({ records: 50 });
    expect(await countOf(admin, 'kind:line')).toBe(200);
    const job = await deleted(admin, 'user:ann');
    expect(job).toMatchObject({ state: 'hidden', records: 50, by_kind: { line: 50 }, annotations: 0 });
    expect(await countOf(admin, 'kind:line')).toBe(150);
    expect(await countOf(admin, 'user:ann')).toBe(0);
    expect((await search(admin, { q: 'user:ann' })).logs).toEqual([]);
    expect(messages(await search(admin, { limit: '1000' }))).not.toContain('line 0');
    expect(messages(await search(admin, { q: '"line 4"' }))).toEqual([]);
    expect((await call(admin.url, `/v1/logs/${ann!.seq}`)).status).toBe(404);
    const values = await call(admin.url, '/v1/logs/fields/user/values');
    expect(JSON.parse(values.text)).toMatchObject({ values: [{ value: 'bob', count: 150 }] });
    const csv = await call(admin.url, '/v1/logs', { headers: { accept: 'text/csv' } });
    expect(csv.text).not.toContain('ann');
    // Records that come later stay.
    await post(admin, [{ message: 'later', user: 'ann' }]);
    expect(messages(await search(admin, { q: 'user:ann' }))).toEqual(['later']);
  });

  it('removes bodies, texts and annotations from all files, in blocks and in the tail', async () => {
    const path = folder();
    const admin = await startAdmin({ path });
    // More than a block, so that records are in sealed blocks and in the tail.
    for (let part = 0; part < 5; part++)
      await post(
        admin,
        Array.from({ length: 8000 }, (_, i) => ({ message: `kept-line ${part} ${i}`, user: 'bob' })),
      );
    await post(admin, [{ message: 'secret-line of ann', user: 'ann' }]);
    await ask(admin, '/v1/logs', [inserted('ann', 'secret-prompt'), inserted('bob', 'kept-prompt')]);
    const [one] = (await search(admin, { q: 'secret-prompt kind:request' })).logs;
    const [request] = one ? [one] : (await search(admin, { q: 'metadata.user:ann kind:request' })).logs;
    await ask(admin, '/v1/feedback', { trace_id: 'trace-ann', value: 5, metadata: { note: 'secret-note' } });
    expect(request).toBeDefined();
    const job = await deleted(
      admin,
      'user:ann OR metadata.user:ann OR traceId:trace-ann OR kind:annotation',
      {
        urgent: true,
      },
    );
    expect(job.records).toBeGreaterThanOrEqual(3);
    await removed(admin, job.id);
    expect(await countOf(admin, 'kind:line')).toBe(40_000);
    expect((await search(admin, { q: '"kept-line 3 77"', since: '1h' })).logs).toHaveLength(1);
    const [bob] = (await search(admin, { q: 'kind:request' })).logs;
    expect((await call(admin.url, `/v1/logs/${bob!.seq}`)).text).toContain('kept-prompt');
    await admin.stop();
    for (const text of ['secret-line', 'secret-prompt', 'secret-note'])
      expectInNoFile(path, text, 'kept-prompt');
    expect(readdirSync(`${path}/logs`).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }, 120_000);

  it('leaves what came after it as it is, also when a file is deleted from twice', async () => {
    const path = folder();
    const admin = await startAdmin({ path });
    await post(admin, [{ message: 'first secret-a' }, { message: 'second secret-b' }, { message: 'third' }]);
    await removed(admin, (await deleted(admin, 'secret-a', { urgent: true })).id);
    await post(admin, [{ message: 'fourth secret-c' }]);
    await removed(admin, (await deleted(admin, 'secret-b OR secret-c', { urgent: true })).id);
    expect(messages(await search(admin, { direction: 'asc' }))).toEqual(['third']);
    await admin.stop();
    for (const text of ['secret-a', 'secret-b', 'secret-c']) {
      const logs = [...bytesIn(`${path}/logs`)].filter(([file]) => !file.endsWith('deletions.json'));
      for (const [file, bytes] of logs) expect(bytes.includes(text), file).toBe(false);
    }
    const again = await startAdmin({ path });
    expect(messages(await search(again, { direction: 'asc' }))).toEqual(['third']);
    await post(again, [{ message: 'fifth' }]);
    expect(messages(await search(again, { direction: 'asc' }))).toEqual(['third', 'fifth']);
  }, 120_000);

  it('removes rows with all their earlier versions, and merges nothing into them any more', async () => {
    const path = folder();
    const admin = await startAdmin({ path });
    const rows = async (...all: object[]): Promise<void> => {
      const result = await admin.logs.postRows({
        bytes: Buffer.from(JSON.stringify({ rows: all, api_version: 2 })),
      });
      expect(result).toHaveProperty('ids');
    };
    const row = { project_id: 'p1', id: 'r1', span_id: 'r1', root_span_id: 'r1', input: 'secret-version-1' };
    await rows(row, { ...row, id: 'r2', span_id: 'r2', input: 'kept-row' });
    await post(admin, [{ message: 'between' }]);
    await rows({ ...row, _is_merge: true, input: 'secret-version-2' });
    const job = await deleted(admin, 'requestId:r1', { urgent: true });
    expect(job).toMatchObject({ records: 1, by_kind: { span: 1 } });
    await rows({ project_id: 'p1', id: 'r1', _is_merge: true, output: 'new' });
    const [found] = (await search(admin, { q: 'requestId:r1', kind: 'span' })).logs;
    expect(found?.['attributes']).not.toHaveProperty('input');
    await removed(admin, job.id);
    await admin.stop();
    expectInNoFile(path, 'secret-version', 'kept-row');
  }, 120_000);

  it('never deletes the events of deletions', async () => {
    const admin = await startAdmin();
    const event = (name: string) => ({
      ...BLANK,
      kind: 'event' as const,
      attributes: JSON.stringify({ event: name }),
    });
    await admin.logs.post([event('store_deletion'), event('weir_started')]);
    expect(await deleted(admin, 'kind:event OR kind:line')).toMatchObject({ records: 1 });
    expect(admin.logLines.some((line) => line.includes('records deleted'))).toBe(true);
    expect((await search(admin, { q: 'event:store_deletion' })).logs).toHaveLength(1);
    expect(await deleted(admin, 'kind:*')).toMatchObject({ records: 0 });
  });

  it.each([
    [{}, 'q: must be a query'],
    [{ q: '  ' }, 'q: must be a query'],
    [{ q: 'level>=wran' }, 'unknown level'],
    [{ q: 'a', start: 'yesterday' }, 'start: '],
    [{ q: 'a', start: '2026-01-02', end: '2026-01-01' }, 'end: must not be before start'],
    [{ q: 'a', limit: 3 }, 'unknown field "limit"'],
  ])('is refused for %j', async (body, problem) => {
    const admin = await startAdmin();
    const { status, text } = await call(admin.url, '/v1/logs/deletions', {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(body),
    });
    expect(status).toBe(400);
    expect((JSON.parse(text) as { error: string }).error).toContain(problem);
  });
});
