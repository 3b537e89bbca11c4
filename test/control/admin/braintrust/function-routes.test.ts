// Scorers of users over the API: code in processes of its own and judges, in rules over a real log store.
import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import {
  byId,
  expectRefused,
  fetchAll,
  projectId,
  sent,
  type ApiObject,
} from '../../../kit/braintrust-api.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeReplicas, onBody, startReplica } from '../../../kit/replica.ts';
import { until } from '../../../kit/until.ts';

/** On a busy machine each start of a process takes long. */
const PROCESSES_MS = 40_000;

vi.setConfig({ testTimeout: 60_000 });

afterEach(async () => {
  await closeAdmins();
  await closeReplicas();
  removeFolders();
});

const codeOf = (code: string, more: object = {}) => ({ kind: 'code', name: 'length', code, ...more });
const SHORT = '({ output }) => ({ score: output.length < 5 ? 1 : 0, metadata: { length: output.length } })';

const store = (admin: OpenAdmin, scorer: object): Promise<ApiObject> =>
  sent(admin, 'POST', '/v1/function', scorer);

/** Makes a rule with a stored scorer. Returns its path. */
async function ruleWith(admin: OpenAdmin, project: string, scorer: object, name = 'rule'): Promise<string> {
  const { id } = await store(admin, scorer);
  const scorers = [{ type: 'function', id }];
  const config = { online: { sampling_rate: 1, scorers } };
  const rule = await sent(admin, 'POST', '/v1/project_score', { project_id: project, name, config });
  return `/v1/project_score/${String(rule['id'])}`;
}

const insert = (admin: OpenAdmin, project: string, ids: readonly string[]): Promise<ApiObject> =>
  sent(admin, 'POST', `/v1/project_logs/${project}/insert`, {
    events: ids.map((id) => ({ id, root_span_id: `root-${id}`, span_id: `span-${id}`, output: id })),
  });

/** Waits until the status of a rule meets a condition. */
const status = (admin: OpenAdmin, path: string, condition: (of: ApiObject) => boolean): Promise<ApiObject> =>
  until(
    'the rule has come that far',
    async () => {
      const of = (await sent(admin, 'GET', path))['status'] as ApiObject;
      return condition(of) && of;
    },
    PROCESSES_MS,
  );

const scorerSpans = (rows: readonly ApiObject[]): ApiObject[] =>
  rows.filter(({ span_attributes: attributes }) => (attributes as ApiObject | null)?.['type'] === 'score');

it('scores with code of a user', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const path = await ruleWith(admin, project, codeOf(SHORT, { project_id: project }));
  await insert(admin, project, ['abc', 'abcdefgh']);
  await status(admin, path, ({ scored }) => scored === 2);
  const rows = await fetchAll(admin, project);
  expect(byId(rows)).toMatchObject({ abc: { scores: { length: 1 } }, abcdefgh: { scores: { length: 0 } } });
  expect(scorerSpans(rows).find((row) => row['root_span_id'] === 'root-abc')).toMatchObject({
    span_attributes: { name: 'length', purpose: 'scorer' },
    output: { name: 'length', score: 1, metadata: { length: 3 } },
  });
});

it.each([
  ['loops', '() => { for (;;); }', /./],
  ['throws', '() => { throw new Error("no idea") }', /no idea/],
  ['answers garbage', '() => ({ score: "high" })', /./],
  ['allocates', '() => { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }', /./],
])('survives code that %s, and scores with other rules', async (_, code, reason) => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const bad = await ruleWith(admin, project, codeOf(code, { timeout_ms: 1000, slug: 'bad' }), 'bad');
  const good = await ruleWith(admin, project, codeOf('() => 0.5', { slug: 'good' }), 'good');
  await insert(admin, project, ['a']);
  await status(admin, good, ({ scored }) => scored === 1);
  const failing = await status(admin, bad, ({ last_error: error }) => error !== null);
  expect(failing['last_error']).toMatch(reason);
  expect(failing).toMatchObject({ scored: 0 });
});

it('goes on with changed code, which also ends a pause', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const path = await ruleWith(admin, project, codeOf('() => { throw new Error("broken") }'));
  await insert(
    admin,
    project,
    Array.from({ length: 20 }, (_, i) => `s${i}`),
  );
  expect(await status(admin, path, ({ state }) => state === 'paused')).toMatchObject({
    reason: expect.stringContaining('broken') as string,
    failed: 20,
  });
  const { objects } = await sent(admin, 'GET', '/v1/function');
  const [{ id }] = objects as [ApiObject];
  await sent(admin, 'PATCH', `/v1/function/${String(id)}`, { code: SHORT });
  await insert(admin, project, ['new']);
  await status(admin, path, ({ state, scored }) => state === 'running' && scored === 1);
  // Those that failed have no mark, so a backfill scores them.
  await sent(admin, 'POST', `${path}/backfill`, {});
  await status(admin, path, ({ scored }) => scored === 21);
});

const judgeOf = (url: string, more: object = {}) => ({
  kind: 'judge',
  name: 'helpful',
  url: `${url}/v1`,
  model: 'judge-1',
  prompt: 'Is this helpful? {{output}}',
  choices: { yes: 1, no: 0 },
  header_name: 'Authorization',
  header_value: 'Bearer judge-secret',
  use_cot: false,
  ...more,
});

it('scores with a judge, and counts what it costs apart', async () => {
  const asked: { authorization: string | undefined; body: string }[] = [];
  const { url } = await startReplica((req, res) => {
    void onBody(req, (bytes) => {
      const body = String(bytes);
      asked.push({ authorization: req.headers.authorization, body });
      res.setHeader('content-type', 'application/json');
      const content = body.includes('good') ? 'yes' : 'no';
      const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
      res.end(JSON.stringify({ model: 'judge-1', choices: [{ message: { content } }], usage }));
    });
  });
  const path = folder();
  const admin = await startAdmin({ path });
  const project = await projectId(admin, 'p');
  const price = { model: 'judge-1', input: 10, output: 100 };
  await sent(admin, 'PUT', '/v1/prices', { prices: [price] });
  const rule = await ruleWith(admin, project, judgeOf(url));
  await insert(admin, project, ['good', 'bad']);
  const { cost } = await status(admin, rule, ({ scored }) => scored === 2);
  expect(cost).toEqual({ USD: 0.004 });
  expect(asked.map(({ authorization }) => authorization)).toEqual(Array(2).fill('Bearer judge-secret'));
  const rows = await fetchAll(admin, project);
  expect(byId(rows)).toMatchObject({ good: { scores: { helpful: 1 } }, bad: { scores: { helpful: 0 } } });
  expect(scorerSpans(rows)[0]).toMatchObject({
    metrics: { prompt_tokens: 100, completion_tokens: 10, tokens: 110, estimated_cost: 0.002 },
  });
  const { data } = await sent(admin, 'POST', '/btql', {
    query: "select: metrics | from: project_logs('p') summary",
  });
  expect((data as ApiObject[]).map((row) => (row['metrics'] as ApiObject)['estimated_cost'])).toEqual([
    null,
    null,
  ]);
  // The secret is in no answer, and encrypted on disk.
  expect(JSON.stringify(await sent(admin, 'GET', '/v1/function'))).not.toContain('judge-secret');
  expect(readFileSync(`${path}/scoring.json`, 'utf8')).not.toContain('judge-secret');
  await admin.stop();
  const again = await startAdmin({ path });
  await insert(again, project, ['good again']);
  await status(again, rule, ({ scored }) => scored === 1);
  expect(asked.at(-1)!.authorization).toBe('Bearer judge-secret');
});

it('stores, lists, replaces, changes and removes scorers', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const made = await store(admin, codeOf(SHORT, { project_id: project, slug: 'len' }));
  expect(made).toMatchObject({ name: 'length', slug: 'len', project_id: project, function_type: 'scorer' });
  expect(await store(admin, codeOf('() => 1', { project_id: project, slug: 'len' }))).toEqual(made);
  const replaced = await sent(admin, 'PUT', '/v1/function', {
    ...codeOf('() => 1', { project_id: project, slug: 'len' }),
  });
  expect(replaced).toMatchObject({ id: made['id'], code: '() => 1' });
  const path = `/v1/function/${String(made['id'])}`;
  expect(await sent(admin, 'PATCH', path, { description: 'short' })).toMatchObject({
    description: 'short',
    code: '() => 1',
  });
  expect(await sent(admin, 'GET', path)).toMatchObject({ description: 'short' });
  const listed = async (query: string): Promise<number> => {
    const { objects } = await sent(admin, 'GET', `/v1/function?${query}`);
    return (objects as ApiObject[]).length;
  };
  expect(await listed('slug=len&project_name=p')).toBe(1);
  expect(await listed('slug=other')).toBe(0);
  await ruleWith(admin, project, codeOf(SHORT, { project_id: project, slug: 'used' }));
  const { objects } = await sent(admin, 'GET', '/v1/function?slug=used');
  const used = `/v1/function/${String((objects as ApiObject[])[0]!['id'])}`;
  expect(await expectRefused(admin, 400, 'DELETE', used)).toContain('rule "rule" uses this scorer');
  expect(await expectRefused(admin, 400, 'PATCH', used, { slug: 'len' })).toContain('another scorer');
  expect(await sent(admin, 'DELETE', path)).toMatchObject({ id: made['id'] });
  await expectRefused(admin, 404, 'GET', path);
});

it.each([
  [{ kind: 'other' }, 'kind must be code or judge'],
  [codeOf('({ output }) => {'), 'Invalid request'],
  [judgeOf('ftp://h'), 'Invalid scorer'],
])('refuses a scorer that cannot be used: %j', async (scorer, problem) => {
  const admin = await startAdmin();
  expect(await expectRefused(admin, 400, 'POST', '/v1/function', scorer)).toContain(problem);
});

it('keeps the key of a judge, unless its URL changes', async () => {
  const admin = await startAdmin();
  const { id } = await store(admin, judgeOf('http://127.0.0.1:9'));
  const path = `/v1/function/${String(id)}`;
  expect(await sent(admin, 'PATCH', path, { model: 'judge-2', header_value: '***' })).toMatchObject({
    model: 'judge-2',
    header_value: '***',
  });
  expect(await expectRefused(admin, 400, 'PATCH', path, { url: 'http://127.0.0.1:10/v1' })).toContain(
    'header_value is missing',
  );
  expect(
    await sent(admin, 'PATCH', path, { url: 'http://127.0.0.1:10/v1', header_value: 'new' }),
  ).toMatchObject({ url: 'http://127.0.0.1:10/v1' });
});
