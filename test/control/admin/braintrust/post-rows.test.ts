// Rows that Braintrust's clients send: by POST /logs3, as inserts, as uploads, and as feedback.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges, type OpenAdmin } from '../../../kit/admin.ts';
import {
  byId,
  expectRefused,
  fetchAll,
  projectId,
  send,
  sent,
  type ApiObject,
} from '../../../kit/braintrust-api.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';

/** One server for most tests. Each has a project of its own. */
let admin: OpenAdmin;
let project: string;

beforeAll(async () => {
  admin = await startAdmin();
});
afterAll(async () => {
  await closeAdmins();
  removeFolders();
});
beforeEach(() => {
  project = randomUUID();
});

const row = (id: string, more: object = {}): ApiObject => ({
  id,
  project_id: project,
  log_id: 'g',
  created: '2026-11-27T00:43:34.465Z',
  ...more,
});

describe('POST /logs3', () => {
  it('stores rows and merges later ones', async () => {
    const first = row('a', { input: { q: 'hi' }, metadata: { user_id: '1' }, tags: ['x'], _is_merge: false });
    const answer = await sent(admin, 'POST', '/logs3', { rows: [first], api_version: 2 });
    expect(answer).toEqual({
      ids: ['a'],
      xact_id: expect.stringMatching(/^\d{19}$/) as string,
      rejected: [],
    });
    const change = row('a', { output: 7, metadata: { model: 'm' }, tags: ['y'], _is_merge: true });
    const later = await sent(admin, 'POST', '/logs3', { rows: [change], api_version: 2 });
    expect(Number(later['xact_id'])).toBeGreaterThanOrEqual(Number(answer['xact_id']));
    const { a } = byId(await fetchAll(admin, project));
    expect(a).toMatchObject({
      input: { q: 'hi' },
      output: 7,
      metadata: { user_id: '1', model: 'm' },
      tags: ['x', 'y'],
      _xact_id: later['xact_id'],
      is_root: true,
    });
  });

  it('refuses single rows without losing the others', async () => {
    const rows = [
      row('a'),
      { id: 'b' },
      row(''),
      7,
      row('c', { project_id: undefined, experiment_id: 'e' }),
      row('d'),
    ];
    const answer = await sent(admin, 'POST', '/logs3', { rows, api_version: 2 });
    expect(answer['ids']).toEqual(['a', 'd']);
    expect((answer['rejected'] as ApiObject[]).map(({ index }) => index)).toEqual([1, 2, 3, 4]);
    expect(Object.keys(byId(await fetchAll(admin, project))).toSorted()).toEqual(['a', 'd']);
  });

  it('lists the projects of the rows, which may be new', async () => {
    const other = randomUUID();
    await sent(admin, 'POST', '/logs3', { rows: [row('a'), row('b', { project_id: other })] });
    const { objects } = await sent(admin, 'GET', `/v1/project?ids=${project},${other}`);
    expect(objects).toHaveLength(2);
    expect(Object.keys(byId(await fetchAll(admin, other)))).toEqual(['b']);
  });

  it.each([
    ['that is not JSON', '{', 400, 'the body is not valid JSON'],
    ['that is a list', '[]', 400, 'the body must be an object with a list "rows" or "events"'],
    [
      'that names an upload that is not there',
      '{"rows":{"type":"logs3_overflow","key":"k"}}',
      400,
      'rows.key: no rows were uploaded with this key',
    ],
    [
      'that names something else',
      '{"rows":{"type":"other"}}',
      400,
      'the body must be an object with a list "rows" or "events"',
    ],
    ['that is nested without an end', `{"rows":${'['.repeat(100_000)}`, 400, 'the body is not valid JSON'],
    ['of 33 MiB', ' '.repeat(33 * 1024 ** 2), 413, 'the limit is 33554432 bytes'],
  ])('refuses a body %s', async (_, body, status, text) => {
    expect(await expectRefused(admin, status, 'POST', '/logs3', body)).toContain(text);
    expect((await sent(admin, 'POST', '/logs3', { rows: [row('a')] }))['ids']).toEqual(['a']);
  });

  it('refuses a row that is nested deeper than 64 levels alone', async () => {
    const deep = `{"id":"b","project_id":"${project}","input":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const body = `{"rows":[${JSON.stringify(row('a'))},${deep}]}`;
    const answer = await sent(admin, 'POST', '/logs3', body);
    expect(answer).toMatchObject({ ids: ['a'], rejected: [{ index: 1 }] });
  });

  it.each([
    ['queue_full', 429, '1'],
    ['store_full', 503, '1'],
    ['store_unusable', 503, '1'],
  ] as const)('asks the client to try again while the store is %s', async (problem, status, retryAfter) => {
    const postRows = async () => ({ problem });
    const admin = await startAdmin({ wrap: (logs) => withChanges(logs, { postRows }) });
    const answer = await send(admin, 'POST', '/logs3', { rows: [] });
    expect([answer.status, answer.headers['retry-after']]).toEqual([status, retryAfter]);
    await expectRefused(admin, status, 'POST', '/logs3', { rows: [] });
    await expectRefused(admin, status, 'POST', `/v1/project_logs/${project}/insert`, { events: [] });
  });

  it('says that nothing is recorded without a log store', async () => {
    const admin = await startAdmin({ wrap: () => undefined });
    const message = await expectRefused(admin, 404, 'POST', '/logs3', { rows: [] });
    expect(message).toContain('logs.capture is off');
  });
});

describe('an upload of rows', () => {
  it('is stored by the body that names it, once', async () => {
    const { method, signedUrl, headers, key } = await sent(admin, 'POST', '/logs3/overflow', {
      content_type: 'application/json',
      size_bytes: 9612,
    });
    expect([method, headers]).toEqual(['PUT', {}]);
    const rows = JSON.stringify({ rows: [row('a', { input: 'x'.repeat(100_000) })], api_version: 2 });
    const { pathname, search } = new URL(signedUrl as string);
    const put = await call(admin.url, pathname + search, { method: 'PUT', body: rows });
    expect(put.status, put.text).toBe(200);
    const reference = { rows: { type: 'logs3_overflow', key }, api_version: 2 };
    expect(await sent(admin, 'POST', '/logs3', reference)).toMatchObject({ ids: ['a'] });
    expect(byId(await fetchAll(admin, project))['a']!['input']).toHaveLength(100_000);
    await expectRefused(admin, 400, 'POST', '/logs3', reference);
  });

  it('is refused where attachments are off', async () => {
    const admin = await startAdmin({ args: ['--projects-max-attachments=0'] });
    expect(await expectRefused(admin, 404, 'POST', '/logs3/overflow', {})).toContain(
      'Rows cannot be uploaded',
    );
  });
});

describe('an insert', () => {
  it('returns the ids of its rows, and makes those that are missing', async () => {
    const id = await projectId(admin, 'demo');
    const events = [{ id: 'r1', input: 'a', metadata: { user_id: '1' } }, { input: 'b' }, { input: 'c' }];
    const { row_ids: ids } = await sent(admin, 'POST', `/v1/project_logs/${id}/insert`, { events });
    const [first, ...others] = ids as string[];
    expect(first).toBe('r1');
    const rows = byId(await fetchAll(admin, id));
    expect(others.map((one) => rows[one]!['input'])).toEqual(['b', 'c']);
    expect(rows['r1']).toMatchObject({
      project_id: id,
      span_id: expect.any(String) as string,
      is_root: true,
    });
  });

  it('tells which rows it refuses', async () => {
    const path = `/v1/project_logs/${project}/insert`;
    expect(await sent(admin, 'POST', path, { events: [{ id: 'a' }, { id: 7 }] })).toEqual({
      row_ids: ['a'],
      rejected: [{ index: 1, reason: 'id must be a text that is not empty' }],
    });
    expect(await expectRefused(admin, 400, 'POST', path, { events: [{ id: 7 }] })).toBe(
      'Rows were refused: events[0]: id must be a text that is not empty',
    );
    await expectRefused(admin, 404, 'POST', '/v1/project_logs/no%20project/insert', { events: [] });
  });
});

describe('feedback', () => {
  it('adds scores, tags, the expected output and comments to a row', async () => {
    await sent(admin, 'POST', '/logs3', {
      rows: [row('a', { scores: { s: 0.5 }, tags: ['t'], output: 'o' })],
    });
    const feedback = [
      {
        id: 'a',
        scores: { thumbs: 1, other: null },
        expected: 'x',
        comment: 'great',
        metadata: { user_id: 'u9' },
        source: 'app',
        tags: ['good'],
      },
      { id: 'a', comment: 'second' },
    ];
    expect(await sent(admin, 'POST', `/v1/project_logs/${project}/feedback`, { feedback })).toEqual({
      status: 'success',
    });
    const { a } = byId(await fetchAll(admin, project));
    expect(a).toMatchObject({
      output: 'o',
      expected: 'x',
      scores: { s: 0.5, thumbs: 1, other: null },
      tags: ['t', 'good'],
      comments: [
        { comment: { text: 'great' }, source: 'app', metadata: { user_id: 'u9' } },
        { comment: { text: 'second' }, source: 'api' },
      ],
    });
  });

  it.each([
    [{}, 'feedback: must be a list'],
    [{ feedback: [{ id: 'a' }] }, 'feedback[0]: has none of scores, expected, tags and comment'],
    [{ feedback: [{ comment: 'x' }] }, 'feedback[0]: id: must be the id of a row'],
    [{ feedback: [{ id: 'a', scores: { s: 2 } }] }, 'feedback[0]: scores: must be an object of numbers'],
    [{ feedback: [{ id: 'a', tags: 'x' }] }, 'feedback[0]: tags: must be a list of texts'],
    [{ feedback: [{ id: 'a', comment: 7 }] }, 'feedback[0]: comment: must be a text'],
    [{ feedback: [{ id: 'a', comment: 'x', source: 'me' }] }, 'feedback[0]: source: must be one of app, api'],
    [{ feedback: [{ id: 'a', comment: 'x', metadata: 7 }] }, 'feedback[0]: metadata: must be an object'],
  ])('is refused as a whole with a mistake: %j', async (body, text) => {
    const path = `/v1/project_logs/${project}/feedback`;
    expect(await expectRefused(admin, 400, 'POST', path, body)).toContain(text);
    expect(await fetchAll(admin, project)).toEqual([]);
  });
});
