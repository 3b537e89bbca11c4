// Scores, comments, tags and feedback of a request by its request id: added, listed with their authors, and taken back.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AnnotationMadeJson, RequestJson } from '../../../../src/control/admin/records/request-json.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { messages, search } from '../../../kit/log-api.ts';
import { expectJson, REQUEST_ID, requestRecord } from '../../../kit/request-record.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const ADMIN = { authorization: 'Bearer main-key-of-the-test' };
let server: OpenAdmin;
let mara: Record<string, string>;

async function send<T>(
  method: string,
  path: string,
  body: unknown,
  headers: object,
  status = 201,
): Promise<T> {
  const response = await call(server.url, path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', ...headers },
  });
  expect(response.status, response.text).toBe(status);
  return JSON.parse(response.text) as T;
}
const path = `/v1/logs/${REQUEST_ID}/annotations`;
const add = (body: unknown) => send<AnnotationMadeJson>('POST', path, body, mara);
const takeBack = (id: string, status = 200) => send('DELETE', `${path}/${id}`, undefined, mara, status);
async function details(): Promise<RequestJson> {
  const { text, status } = await call(server.url, `/v1/logs/${REQUEST_ID}?with=details`, { headers: ADMIN });
  expect(status, text).toBe(200);
  return JSON.parse(text) as RequestJson;
}
const found = async (q: string) => {
  const { text } = await call(server.url, `/v1/logs?${new URLSearchParams({ q }).toString()}`, {
    headers: ADMIN,
  });
  return messages(JSON.parse(text) as Awaited<ReturnType<typeof search>>);
};

describe('with a key', () => {
  beforeEach(async () => {
    server = await startAdmin({ args: ['--admin-key=main-key-of-the-test'] });
    await server.logs.post([requestRecord()]);
    const { key } = await send<{ key: string }>(
      'POST',
      '/v1/keys',
      { name: 'mara', scopes: ['logs:read', 'logs:write'] },
      ADMIN,
    );
    mara = { authorization: `Bearer ${key}` };
  });

  it('a score, a comment and a tag are listed with their author, and found by queries', async () => {
    const made = await add({
      scores: { Grounded: 0.34 },
      comment: 'wrong year',
      tags: ['retrieval', 'triage'],
    });
    expect(made).toEqual({ annotation_id: expect.stringMatching(/^[a-p]{20}$/) as string, by: 'mara' });
    const whom = { by: 'mara', annotation_id: made.annotation_id, timestamp: expect.any(String) as string };
    expect(await details()).toMatchObject({
      scores: [{ name: 'Grounded', value: 0.34, ...whom }],
      comments: [{ text: 'wrong year', ...whom }],
      tags: [
        { tag: 'retrieval', ...whom },
        { tag: 'triage', ...whom },
      ],
      feedback: [],
    });
    expect(await found('scores.Grounded<0.5 tags:triage')).toHaveLength(1);
  });

  it('an annotation that is taken back does not count any more, and what was there before does again', async () => {
    await add({ scores: { Grounded: 0.9 } });
    const later = await add({ scores: { Grounded: 0.1 }, comment: 'oops', tags: ['triage'] });
    expect(await found('scores.Grounded<0.5')).toHaveLength(1);
    await takeBack(later.annotation_id);
    const { scores, comments, tags, log } = await details();
    expect([scores.map(({ value }) => value), comments, tags]).toEqual([[0.9], [], []]);
    expect(log.attributes!['annotations']).toEqual({ scores: { Grounded: 0.9 } });
    expect(await found('scores.Grounded<0.5')).toEqual([]);
    expect(await found('scores.Grounded>0.5 -tags:triage kind:request')).toHaveLength(1);
    await takeBack(later.annotation_id, 404);
    await takeBack('unknown', 404);
  });

  it('a score is removed with null', async () => {
    await add({ scores: { Grounded: 0.9, Short: 1 } });
    await add({ scores: { Grounded: null } });
    expect((await details()).scores.map(({ name }) => name)).toEqual(['Short']);
  });

  it('feedback has its author, and the mean is that of what is left when one is taken back', async () => {
    const rate = async (value: number) => {
      const body = { trace_id: REQUEST_ID, value };
      return (await send<{ feedback_ids: string[] }>('POST', '/v1/feedback', body, mara, 200))
        .feedback_ids[0]!;
    };
    const [good, bad] = [await rate(10), await rate(-5)];
    const shown = await details();
    expect(shown.feedback.map(({ id, value, by }) => [id, value, by])).toEqual([
      [good, 10, 'mara'],
      [bad, -5, 'mara'],
    ]);
    expect(shown.scores).toMatchObject([{ name: 'weighted_feedback', value: 2.5 }]);
    await send('DELETE', `/v1/feedback/${bad}`, undefined, mara, 200);
    const left = await details();
    expect(left.feedback.map(({ id }) => id)).toEqual([good]);
    expect(left.log.attributes!['annotations']).toMatchObject({
      scores: { weighted_feedback: 10 },
      feedback: { value: 10, count: 1 },
    });
    await send('DELETE', `/v1/feedback/${bad}`, undefined, mara, 404);
    await send('DELETE', `/v1/feedback/${good}`, undefined, mara, 200);
    const none = await details();
    expect([none.feedback, none.scores]).toEqual([[], []]);
    expect(await found('feedback.value>0')).toEqual([]);
    // What was taken back stays so for the next rating.
    await rate(4);
    expect((await details()).scores).toMatchObject([{ name: 'weighted_feedback', value: 4 }]);
  });
});

it('a log line gets annotations by its place', async () => {
  server = await startAdmin();
  mara = {};
  await server.logs.post([requestRecord(), { ...requestRecord(), kind: 'line', message: 'KV cache full' }]);
  const made = await send<AnnotationMadeJson>('POST', '/v1/logs/2/annotations', { tags: ['look'] }, {});
  expect(made.by).toBeUndefined();
  expect((await expectJson<RequestJson>(server, '/v1/logs/2?with=details')).tags).toMatchObject([
    { tag: 'look' },
  ]);
  await send('DELETE', `/v1/logs/2/annotations/${made.annotation_id}`, undefined, {}, 200);
  expect((await expectJson<RequestJson>(server, '/v1/logs/2?with=details')).tags).toEqual([]);
});

it('an annotation with a mistake is refused with the reason', async () => {
  server = await startAdmin();
  const problem = async (body: unknown) => (await send<{ error: string }>('POST', path, body, {}, 400)).error;
  expect(await problem({ score: { a: 1 } })).toContain('did you mean "scores"?');
  expect(await problem({})).toContain('has none of scores, comment and tags');
  expect(await problem([])).toContain('must be an object');
  expect(await problem({ scores: { a: '1' } })).toContain('score "a" must be a number or null');
  expect(await problem({ comment: 'x'.repeat(40_000) })).toContain('32768 characters');
});
