// Scoring rules over the API, with a real log store and the built-in scorers.
import { afterEach, expect, it } from 'vitest';
import {
  byId,
  expectRefused,
  fetchAll,
  projectId,
  send,
  sent,
  type ApiObject,
} from '../../../kit/braintrust-api.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const EXACT = { type: 'global', name: 'ExactMatch' };
const online = (more: object = {}): object => ({ online: { sampling_rate: 1, scorers: [EXACT], ...more } });
const ruleOf = (project: string, more: object = {}, name = 'exact'): object => ({
  project_id: project,
  name,
  score_type: 'online',
  config: online(more),
});
const makeRule = (admin: OpenAdmin, rule: object): Promise<ApiObject> =>
  sent(admin, 'POST', '/v1/project_score', rule);
const insert = (admin: OpenAdmin, project: string, events: readonly object[]): Promise<ApiObject> =>
  sent(admin, 'POST', `/v1/project_logs/${project}/insert`, { events });
const span = (id: string, more: object = {}): object => ({
  id,
  span_id: `span-${id}`,
  root_span_id: `root-${id}`,
  input: 'question',
  output: 'a',
  expected: 'a',
  metrics: { start: 1_700_000_000, end: 1_700_000_001 },
  span_attributes: { name: 'answer', type: 'task' },
  ...more,
});

const isScorer = ({ span_attributes: attributes }: ApiObject): boolean =>
  (attributes as ApiObject)['type'] === 'score';

/** Waits until a rule has scored so many records, and has no further ones. */
function settled(admin: OpenAdmin, id: unknown, scored: number): Promise<ApiObject> {
  return until(`the rule has scored ${scored}`, async () => {
    const { status } = await sent(admin, 'GET', `/v1/project_score/${String(id)}`);
    const state = status as ApiObject;
    return state['scored'] === scored && state['behind_records'] === 0 && state;
  });
}

it('scores the spans that end after a rule was made', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  await insert(admin, project, [span('before')]);
  const rule = await makeRule(admin, ruleOf(project));
  expect(rule).toMatchObject({
    project_id: project,
    name: 'exact',
    score_type: 'online',
    config: { online: { sampling_rate: 1, scorers: [EXACT], btql_filter: null, scope: { type: 'span' } } },
    status: { state: 'running', failed: 0, last_error: null },
  });
  await insert(admin, project, [span('same'), span('other', { output: 'b' })]);
  // It has not ended yet.
  await insert(admin, project, [span('open', { metrics: { start: 1_700_000_000 } })]);
  await settled(admin, rule['id'], 2);
  const rows = await fetchAll(admin, project);
  const { before, same, other, open } = byId(rows);
  expect([before, same, other, open].map((row) => row!['scores'] ?? null)).toEqual([
    null,
    { ExactMatch: 1 },
    { ExactMatch: 0 },
    null,
  ]);
  const children = rows.filter(isScorer);
  expect(children).toHaveLength(2);
  expect(children.find(({ root_span_id: root }) => root === 'root-same')).toMatchObject({
    span_parents: ['span-same'],
    span_attributes: { name: 'ExactMatch', type: 'score', purpose: 'scorer' },
    input: { input: 'question', output: 'a', expected: 'a' },
    output: { name: 'ExactMatch', score: 1 },
    scores: { ExactMatch: 1 },
    metadata: { rule: 'exact', rule_id: rule['id'] },
    is_root: false,
  });
  await insert(admin, project, [{ id: 'open', _is_merge: true, metrics: { end: 1_700_000_002 } }]);
  await settled(admin, rule['id'], 3);
});

it('scores a span once, though later merges make new versions of it', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rule = await makeRule(admin, ruleOf(project));
  await insert(admin, project, [span('r')]);
  await settled(admin, rule['id'], 1);
  for (const tag of ['x', 'y'])
    await sent(admin, 'POST', `/v1/project_logs/${project}/feedback`, {
      feedback: [{ id: 'r', tags: [tag], expected: 'never' }],
    });
  await insert(admin, project, [span('last')]);
  await settled(admin, rule['id'], 2);
  const rows = await fetchAll(admin, project);
  expect(rows.filter(isScorer)).toHaveLength(2);
  expect(byId(rows)['r']).toMatchObject({ scores: { ExactMatch: 1 }, tags: ['x', 'y'] });
});

it('goes on where it was after a restart', async () => {
  const path = folder();
  const first = await startAdmin({ path });
  const project = await projectId(first, 'p');
  const rule = await makeRule(first, ruleOf(project));
  await insert(first, project, [span('a')]);
  await settled(first, rule['id'], 1);
  await first.scoring.stop(performance.now() + 5000);
  await insert(first, project, [span('b')]);
  await first.stop();
  const second = await startAdmin({ path });
  await settled(second, rule['id'], 1);
  const rows = await fetchAll(second, project);
  expect(rows.filter(isScorer)).toHaveLength(2);
  expect(byId(rows)['b']).toMatchObject({ scores: { ExactMatch: 1 } });
});

/** Names of the root spans that have a score below them. */
async function scoredRoots(admin: OpenAdmin, project: string): Promise<unknown[]> {
  const rows = await fetchAll(admin, project);
  return rows
    .filter(isScorer)
    .map((row) => String(row['root_span_id']).replace('root-', ''))
    .toSorted();
}

it.each([
  ['a filter of BTQL', { btql_filter: "metadata.user_id = '1' and output != 'b'" }, ['a']],
  ['a query of the query bar', { filter: 'metadata.user_id=1' }, ['a', 'b']],
  ['root spans', { apply_to_root_span: true }, ['a', 'b', 'c']],
  ['spans by name', { apply_to_span_names: ['child'] }, ['d']],
  [
    'root spans and spans by name',
    { apply_to_root_span: true, apply_to_span_names: ['child'] },
    ['a', 'b', 'c', 'd'],
  ],
])('scores %s', async (_, config, expected) => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rule = await makeRule(admin, ruleOf(project, config));
  await insert(admin, project, [
    span('a', { metadata: { user_id: '1' } }),
    span('b', { metadata: { user_id: '1' }, output: 'b' }),
    span('c'),
    span('d', { span_parents: ['elsewhere'], span_attributes: { name: 'child' } }),
    span('e', { span_parents: ['elsewhere'], span_attributes: { name: 'toxic', type: 'score' } }),
  ]);
  await settled(admin, rule['id'], expected.length);
  expect(await scoredRoots(admin, project)).toEqual([...expected, 'e'].toSorted());
});

it('counts spans that are not in its sample', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rule = await makeRule(admin, ruleOf(project, { sampling_rate: 0 }));
  await insert(admin, project, [span('a'), span('b')]);
  await until('two spans are counted', async () => {
    const { status } = await sent(admin, 'GET', `/v1/project_score/${String(rule['id'])}`);
    return ((status as ApiObject)['skipped'] as ApiObject)['sampled_out'] === 2;
  });
  expect(await scoredRoots(admin, project)).toEqual([]);
});

it('samples whole traces, the same for each rule', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rules = [
    await makeRule(admin, ruleOf(project, { sampling_rate: 0.5 }, 'half')),
    await makeRule(
      admin,
      ruleOf(project, { sampling_rate: 0.5, scorers: [{ type: 'global', name: 'ValidJSON' }] }, 'other'),
    ),
  ];
  const events = Array.from({ length: 60 }, (__, i) =>
    span(`s${i}`, { root_span_id: `root-${i % 20}`, span_id: `span${i}` }),
  );
  await insert(admin, project, events);
  const roots: unknown[][] = [];
  for (const { id } of rules)
    await until('the rule has read all', async () => {
      const { status } = await sent(admin, 'GET', `/v1/project_score/${String(id)}`);
      const {
        scored,
        skipped,
        behind_records: behind,
      } = status as Record<string, number> & {
        skipped: { sampled_out?: number };
      };
      return behind === 0 && scored! + (skipped.sampled_out ?? 0) === 60;
    });
  const rows = await fetchAll(admin, project);
  for (const { id } of rules) {
    const ofRule = rows.filter((row) => (row['metadata'] as ApiObject | null)?.['rule_id'] === id);
    const traces = new Set(ofRule.map((row) => String(row['root_span_id'])));
    expect(traces.size).toBeGreaterThan(3);
    expect(traces.size).toBeLessThan(17);
    // All three spans of each trace.
    expect(ofRule).toHaveLength(3 * traces.size);
    roots.push([...traces].toSorted());
  }
  expect(roots[0]).toEqual(roots[1]);
});

it('stores the score in the row only with skip_logging, and leaves out rows that say so', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rule = await makeRule(admin, ruleOf(project, { skip_logging: true }));
  await insert(admin, project, [span('a'), span('b', { _skip_async_scoring: true })]);
  expect(await settled(admin, rule['id'], 1)).toMatchObject({ skipped: { opted_out: 1 } });
  const rows = await fetchAll(admin, project);
  expect(rows).toHaveLength(2);
  expect(byId(rows)).toMatchObject({ a: { scores: { ExactMatch: 1 } } });
  expect(byId(rows)['b']!['scores'] ?? null).toBeNull();
});

it.each([
  [{ sampling_rate: 2 }, 'config.online.sampling_rate: must be a number from 0 to 1'],
  [{ scorers: [] }, 'config.online.scorers: must be a list of 1 to 20 scorers'],
  [{ scorers: [EXACT, EXACT] }, 'config.online.scorers[1]: is in the list twice'],
  [{ scorers: [{ type: 'global', name: 'Exactmatch' }] }, 'did you mean "ExactMatch"'],
  [{ scorers: [{ type: 'function', id: 'none' }] }, 'there is no stored scorer none'],
  [{ btql_filter: 'created > now() - interval 1 day' }, 'conditions on time are not allowed here'],
  [{ btql_filter: 'metadata.day > current_date' }, 'conditions on time are not allowed here'],
  [{ btql_filter: 'a = ' }, 'btql_filter: is invalid at line 1, column 5'],
  [{ btql_filter: "a = 'x' | limit: 1" }, 'btql_filter: is invalid at line 1, column 9'],
  [{ btql_filter: 'count(1) > 2' }, 'btql_filter: is invalid'],
  [{ filter: 'a=(' }, 'filter: is invalid at character'],
  [{ scope: { type: 'trace' } }, 'scope: trace is not supported; weir scores single spans'],
  [{ scope: { type: 'group', group_by: 'x' } }, 'scope: group is not supported'],
  [{ samplingrate: 1 }, 'config.online: unknown field "samplingrate"; did you mean "sampling_rate"'],
])('refuses a rule with %j', async (config, problem) => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  expect(await expectRefused(admin, 400, 'POST', '/v1/project_score', ruleOf(project, config))).toContain(
    problem,
  );
  expect(await sent(admin, 'GET', '/v1/project_score')).toEqual({ objects: [] });
});

it('refuses scores that people give, and rules of unknown projects', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const slider = { ...ruleOf(project), score_type: 'slider' };
  expect(await expectRefused(admin, 400, 'POST', '/v1/project_score', slider)).toContain(
    'score_type: "slider" is not supported',
  );
  await expectRefused(admin, 404, 'POST', '/v1/project_score', ruleOf('none'));
  await expectRefused(admin, 404, 'GET', '/v1/project_score/none');
});

it('lists, changes, replaces and removes rules', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const rule = await makeRule(admin, ruleOf(project));
  const same = await makeRule(admin, ruleOf(project, { sampling_rate: 0.5 }));
  expect(same).toMatchObject({ id: rule['id'], config: { online: { sampling_rate: 1 } } });
  const replaced = await sent(admin, 'PUT', '/v1/project_score', ruleOf(project, { sampling_rate: 0.5 }));
  expect(replaced).toMatchObject({ id: rule['id'], config: { online: { sampling_rate: 0.5 } } });
  const path = `/v1/project_score/${String(rule['id'])}`;
  const patch = { name: 'renamed', config: { online: { skip_logging: true } } };
  expect(await sent(admin, 'PATCH', path, patch)).toMatchObject({
    name: 'renamed',
    config: { online: { sampling_rate: 0.5, skip_logging: true, scorers: [EXACT] } },
  });
  const second = await makeRule(admin, ruleOf(project, {}, 'second'));
  expect(await expectRefused(admin, 400, 'PATCH', path, { name: 'second' })).toContain('another rule');
  const listed = async (query: string): Promise<unknown[]> => {
    const { objects } = await sent(admin, 'GET', `/v1/project_score?${query}`);
    return (objects as ApiObject[]).map(({ id }) => id);
  };
  expect(await listed('')).toEqual([second['id'], rule['id']]);
  expect(await listed('project_score_name=renamed&project_name=p')).toEqual([rule['id']]);
  expect(await listed('project_name=other')).toEqual([]);
  expect(await sent(admin, 'DELETE', path)).toMatchObject({ id: rule['id'] });
  await expectRefused(admin, 404, 'DELETE', path);
  expect(await listed('')).toEqual([second['id']]);
  await insert(admin, project, [span('a')]);
  await settled(admin, second['id'], 1);
  expect((await fetchAll(admin, project)).filter(isScorer)).toHaveLength(1);
});

it('shows what a rule would score, and stores nothing', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  await insert(admin, project, [span('a'), span('b', { output: 'b' }), span('c', { input: 'other' })]);
  const asked = { ...ruleOf(project, { btql_filter: "input = 'question'", sampling_rate: 0 }), limit: 10 };
  const {
    records,
    examined,
    is_complete: isComplete,
  } = await sent(admin, 'POST', '/v1/project_score/test', asked);
  expect([examined, isComplete]).toEqual([2, true]);
  const tested = records as ApiObject[];
  expect(tested.map(({ id }) => String(id)).toSorted()).toEqual(['a', 'b']);
  expect(tested.find(({ id }) => id === 'b')).toMatchObject({
    name: 'answer',
    span_id: 'span-b',
    root_span_id: 'root-b',
    is_in_sample: false,
    scores: { ExactMatch: 0 },
    results: [{ scorer: 'ExactMatch', scores: [{ name: 'ExactMatch', score: 0 }] }],
  });
  expect(await fetchAll(admin, project)).toHaveLength(3);
  const rule = await makeRule(admin, ruleOf(project));
  const path = `/v1/project_score/${String(rule['id'])}/test`;
  const range = { start: '2020-01-01', end: '2020-01-02' };
  expect(await sent(admin, 'POST', path, range)).toMatchObject({ records: [], examined: 0 });
  expect(await sent(admin, 'POST', path, { limit: 1 })).toMatchObject({ examined: 1 });
  expect(await expectRefused(admin, 400, 'POST', path, { limit: 51 })).toContain('1 to 50');
  expect(await expectRefused(admin, 400, 'POST', path, { start: 'x' })).toContain('start: must be a time');
});

it('scores a range of past spans, each once, with the new ones', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const at = (id: string, start: number): object =>
    span(id, { metrics: { start, end: start + 1 }, created: new Date(start * 1000).toISOString() });
  const dayBegin = Date.parse('2026-11-20T00:00:00Z') / 1000;
  const days = Array.from({ length: 300 }, (__, i) => at(`s${i}`, dayBegin + i * 3600));
  await insert(admin, project, days);
  const rule = await makeRule(admin, ruleOf(project));
  const path = `/v1/project_score/${String(rule['id'])}/backfill`;
  await expectRefused(admin, 404, 'GET', path);
  const range = { start: '2026-11-21', end: '2026-11-29T23:59:59Z' };
  expect(await sent(admin, 'POST', path, range)).toMatchObject({ state: 'running', scored: 0 });
  await insert(admin, project, [span('new')]);
  const done = (): Promise<ApiObject> =>
    until('the backfill is done', async () => {
      const state = await sent(admin, 'GET', path);
      return state['state'] === 'done' && state;
    });
  expect(await done()).toMatchObject({ progress: 1, scored: 216, failed: 0, skipped: 0 });
  await settled(admin, rule['id'], 217);
  const rows = await fetchAll(admin, project);
  expect(rows.filter(isScorer)).toHaveLength(217);
  // A second time there is nothing to score.
  await sent(admin, 'POST', path, range);
  expect(await done()).toMatchObject({ progress: 1, scored: 0 });
  await settled(admin, rule['id'], 217);
  await expectRefused(admin, 404, 'DELETE', path);
});

/** Stores a request with bodies, as Portkey's clients insert them. */
const insertRequest = (admin: OpenAdmin, content: string, metadata: object = {}): Promise<unknown> =>
  send(admin, 'POST', '/v1/logs', {
    request: {
      url: '/v1/chat/completions',
      method: 'post',
      body: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
    },
    response: { status: 200, body: { choices: [{ message: { role: 'assistant', content } }] } },
    metadata,
  });

it('scores requests by their captured bodies', async () => {
  const admin = await startAdmin();
  const validJson = { scorers: [{ type: 'global', name: 'ValidJSON' }], source: 'requests' };
  const rule = await makeRule(admin, { name: 'json', config: online(validJson) });
  expect(rule).toMatchObject({ project_id: null });
  await insertRequest(admin, '{"a": 1}', { user: 'u1' });
  await insertRequest(admin, 'no JSON', { user: 'u2' });
  // A request of a judge.
  await insertRequest(admin, '{}', { weir_purpose: 'scorer' });
  await settled(admin, rule['id'], 2);
  const scores = async (query: string): Promise<unknown[]> => {
    const { logs } = await sent(admin, 'GET', `/v1/logs?q=${encodeURIComponent(query)}`);
    return (logs as ApiObject[]).map(({ attributes }) => (attributes as ApiObject)['annotations']);
  };
  expect(await scores('metadata.user=u1')).toEqual([{ scores: { ValidJSON: 1 } }]);
  expect(await scores('metadata.user=u2 scores.ValidJSON<1')).toEqual([{ scores: { ValidJSON: 0 } }]);
  expect(await scores('kind:request metadata.weir_purpose=scorer')).toEqual([undefined]);
  // A backfill finds the scores that are there.
  const path = `/v1/project_score/${String(rule['id'])}/backfill`;
  await sent(admin, 'POST', path, {});
  await until('the backfill is done', async () => (await sent(admin, 'GET', path))['state'] === 'done');
  await settled(admin, rule['id'], 2);
  const { logs } = await sent(admin, 'GET', '/v1/logs?kind=annotation');
  expect(logs).toHaveLength(2);
});

it('leaves the cost of judges out of the figures of a trace', async () => {
  const admin = await startAdmin();
  const project = await projectId(admin, 'p');
  const metrics = { start: 1_700_000_000, end: 1_700_000_001, prompt_tokens: 5, estimated_cost: 0.5 };
  await insert(admin, project, [
    span('a', { root_span_id: 'root', metrics }),
    span('b', {
      root_span_id: 'root',
      span_parents: ['span-a'],
      metrics,
      span_attributes: { type: 'score', purpose: 'scorer' },
    }),
  ]);
  const query = `select: metrics | from: project_logs('p') summary`;
  const { data } = await sent(admin, 'POST', '/btql', { query });
  expect(data).toMatchObject([{ metrics: { estimated_cost: 0.5, prompt_tokens: 5 } }]);
});
