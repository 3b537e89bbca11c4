// Long queries over HTTP: their status, their rows in pages, limits, and how they end.
import { afterEach, describe, expect, it } from 'vitest';
import { Btql } from '../../../../src/telemetry/btql/btql.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { expectRefused, projectId, send, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { ask, logRows, rowsOf } from '../../../kit/btql-api.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const P = "project_logs('demo')";
const NOW = Date.now();
const SUBJECT = { modelId: 'mdl1', scheme: 'http', genAi: 'common' } as const;
const rows = (count: number): ApiObject[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `s${n}`,
    metadata: { n, text: 'é'.repeat(n % 5) },
    created: new Date(NOW - n * 1000).toISOString(),
    metrics: { start: (NOW - n * 1000) / 1000 },
  }));

/** An admin server with rows, and the limits of its queries. */
async function startLimited(
  count: number,
  ...limits: ConstructorParameters<typeof Btql> extends [unknown, unknown, unknown, ...infer Rest]
    ? Rest
    : never
): Promise<{ admin: OpenAdmin; btql: Btql }> {
  const store = await startAdmin();
  const btql = new Btql(store.logs, SUBJECT, () => [], ...limits);
  const admin = await startAdmin({ deps: { btql } });
  const project = await projectId(admin, 'demo');
  for (let at = 0; at < count; at += 500) await logRows(store, project, rows(count).slice(at, at + 500));
  return { admin, btql };
}

const submit = (admin: OpenAdmin, query: unknown): Promise<ApiObject> =>
  sent(admin, 'POST', '/btql/async', { query, format: 'jsonl' });
const statusOf = (admin: OpenAdmin, id: unknown): Promise<ApiObject> =>
  sent(admin, 'GET', `/btql/async/${String(id)}`);

/** Waits for the end of a query. */
async function ended(admin: OpenAdmin, id: unknown): Promise<ApiObject> {
  let status: ApiObject = {};
  await until('the query has ended', async () => {
    status = await statusOf(admin, id);
    return !['queued', 'running'].includes(status['status'] as string);
  });
  return status;
}

async function allRows(
  admin: OpenAdmin,
  id: unknown,
  limit: number,
): Promise<{ rows: unknown[]; pages: number }> {
  const all: unknown[] = [];
  let cursor: string | null = '';
  let pages = 0;
  while (cursor !== null) {
    const page = await sent(admin, 'GET', `/btql/async/${String(id)}/result?limit=${limit}&cursor=${cursor}`);
    expect(page['status']).toBe('succeeded');
    all.push(...(page['rows'] as unknown[]));
    cursor = page['cursor'] as string | null;
    pages++;
  }
  return { rows: all, pages };
}

describe('a long query', () => {
  it('has the rows of a short one, in pages', async () => {
    const { admin, btql } = await startLimited(1300);
    try {
      const query = `select: id, metadata.text as t | from: ${P} | sort: metadata.n`;
      const submitted = await submit(admin, query);
      expect(submitted).toMatchObject({ status: expect.stringMatching(/queued|running/), ended: null });
      const { id } = submitted;
      const status = await ended(admin, id);
      expect(status).toMatchObject({
        id,
        status: 'succeeded',
        row_count: 1300,
        query_cursor: null,
        progress: { rows_read: 1300, reached: expect.stringMatching(/^20/) },
      });
      expect(status).not.toHaveProperty('warnings');
      const { data } = await ask(admin, `${query} | limit: 10000`);
      for (const limit of [7, 1000, 1300, 5000]) {
        const found = await allRows(admin, id, limit);
        expect(found.rows).toEqual(data);
        expect(found.pages).toBe(Math.ceil(1300 / limit));
      }
      const [page] = [await sent(admin, 'GET', `/btql/async/${String(id)}/result?cursor=1300`)];
      expect(page).toMatchObject({ rows: [], cursor: null, schema: { type: 'array' } });
    } finally {
      await btql.stop();
    }
  });

  it('has the rows of groups, and those of no rows', async () => {
    const { admin, btql } = await startLimited(20);
    try {
      const groups = await submit(admin, `measures: count(1) as n | from: ${P}`);
      await ended(admin, groups['id']);
      expect((await allRows(admin, groups['id'], 10)).rows).toEqual([{ n: 20 }]);
      const none = await submit(admin, `select: id | from: ${P} | filter: metadata.n < 0`);
      await ended(admin, none['id']);
      expect((await allRows(admin, none['id'], 10)).rows).toEqual([]);
    } finally {
      await btql.stop();
    }
  });

  it('is canceled while it waits or runs, and forgotten when it has ended', async () => {
    const { admin, btql } = await startLimited(1000);
    try {
      const slow = `measures: count_distinct(concat(id, x)) as n | from: ${P} | unpivot: '${'x'.repeat(10)}' as x`;
      const long = `measures: count(1) as n | from: ${P} traces | filter: input MATCH 'a'`;
      const ids = await Promise.all(
        [slow, long, long].map(async (query) => (await submit(admin, query))['id']),
      );
      for (const id of ids) {
        const { status } = await sent(admin, 'DELETE', `/btql/async/${String(id)}`);
        expect(['canceled', 'succeeded']).toContain(status);
      }
      const last = await statusOf(admin, ids[2]);
      expect(last).toMatchObject({ status: 'canceled', expires: expect.stringMatching(/^20/) });
      expect(await sent(admin, 'GET', `/btql/async/${String(ids[2])}/result`)).toMatchObject({
        status: 'canceled',
        rows: [],
        cursor: null,
      });
      await sent(admin, 'DELETE', `/btql/async/${String(ids[2])}`);
      await expectRefused(admin, 404, 'GET', `/btql/async/${String(ids[2])}`);
      // The next one runs as if nothing had been before it.
      const next = await submit(admin, `select: id | from: ${P} | limit: 3`);
      expect(await ended(admin, next['id'])).toMatchObject({ status: 'succeeded', row_count: 3 });
    } finally {
      await btql.stop();
    }
  });

  it('says that its result is not complete, and how to go on', async () => {
    const { admin, btql } = await startLimited(1200, {}, { reads: 100 });
    try {
      const { id } = await submit(admin, `select: id | from: ${P}`);
      const status = await ended(admin, id);
      expect(status).toMatchObject({
        status: 'succeeded',
        warnings: [{ code: 'rows_limit' }],
        query_cursor: expect.stringMatching(/./),
      });
    } finally {
      await btql.stop();
    }
  });

  it('does not keep others from being answered', async () => {
    const { admin, btql } = await startLimited(500);
    try {
      await Promise.all(Array.from({ length: 5 }, () => submit(admin, `select: * | from: ${P} traces`)));
      expect(await rowsOf(admin, `select: id | from: ${P} | limit: 1`)).toEqual([{ id: 's0' }]);
    } finally {
      await btql.stop();
    }
  });
});

describe('limits of long queries', () => {
  it('hold for those that wait and those that are kept', async () => {
    const { admin, btql } = await startLimited(300, {}, { open: 3, kept: 4 });
    try {
      const query = `select: * | from: ${P} traces`;
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => send(admin, 'POST', '/btql/async', { query })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
      const ids: unknown[] = [];
      for (let n = 0; n < 6; n++) {
        const { id } = await submitWhenFree(admin, `select: id | from: ${P}`);
        await ended(admin, id);
        ids.push(id);
      }
      await expectRefused(admin, 404, 'GET', `/btql/async/${String(ids[0])}`);
      expect(await statusOf(admin, ids.at(-1))).toMatchObject({ status: 'succeeded' });
    } finally {
      await btql.stop();
    }
  });

  it('forget the oldest results when there is no room, and all after their time', async () => {
    const { admin, btql } = await startLimited(300, {}, { bytes: 6000, keepMs: 1500 });
    try {
      const ids: unknown[] = [];
      for (let n = 0; n < 3; n++) {
        const { id } = await submitWhenFree(admin, `select: id | from: ${P}`);
        await ended(admin, id);
        ids.push(id);
      }
      // A result has about 4,100 bytes.
      await expectRefused(admin, 404, 'GET', `/btql/async/${String(ids[0])}/result`);
      expect((await allRows(admin, ids[2], 1000)).rows).toHaveLength(300);
      await until(
        'the result is forgotten',
        async () => (await send(admin, 'GET', `/btql/async/${String(ids[2])}`)).status === 404,
      );
    } finally {
      await btql.stop();
    }
  });

  it('refuse what is not understood before anything runs', async () => {
    const { admin, btql } = await startLimited(0);
    try {
      const { status, text } = await send(admin, 'POST', '/btql/async', { query: 'select: * | form: x' });
      expect(status).toBe(400);
      expect(JSON.parse(text)).toMatchObject({ position: { line: 1, column: 13 } });
      await expectRefused(admin, 400, 'POST', '/btql/async', {
        query: "select: * | from: project_logs('no')",
      });
      await expectRefused(admin, 404, 'GET', '/btql/async/none');
      const { id } = await submit(admin, `select: id | from: ${P}`);
      for (const query of ['limit=0', 'cursor=-1', 'cursor=a'])
        await expectRefused(admin, 400, 'GET', `/btql/async/${String(id)}/result?${query}`);
    } finally {
      await btql.stop();
    }
  });
});

/** Starts a query as soon as there is room for one. */
async function submitWhenFree(admin: OpenAdmin, query: string): Promise<ApiObject> {
  let job: ApiObject = {};
  await until('there is room for a query', async () => {
    const { status, text } = await send(admin, 'POST', '/btql/async', { query });
    job = JSON.parse(text) as ApiObject;
    return status === 200;
  });
  return job;
}
