// Online scoring of what Braintrust's SDK logs and of what weir served, in a real weir.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchAll, projectId, sent, type ApiObject } from '../kit/braintrust-api.ts';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { ModelReplica } from '../kit/model-replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

let weir: Weir;
let replica: ModelReplica;
const admin = { url: '' };

beforeAll(async () => {
  replica = await new ModelReplica().start();
  weir = await startWeir(['--replica', replica.url, '--data-dir', folder(), '--logs-capture=full']);
  admin.url = weir.admin;
});
afterAll(async () => {
  await stopAll();
  await replica.close();
  removeFolders();
});

const scorer = (name: string, options = {}) => ({ type: 'global', name, options });
const makeRule = (name: string, online: object, project?: string): Promise<ApiObject> =>
  sent(admin, 'POST', '/v1/project_score', {
    name,
    project_id: project,
    score_type: 'online',
    config: { online: { sampling_rate: 1, ...online } },
  });

const hasScore = (value: unknown, name: string): boolean =>
  Object.hasOwn((value as ApiObject | null | undefined) ?? {}, name);

/** The lines of a Portkey export of all requests. */
async function exportedLines(): Promise<ApiObject[]> {
  const { id } = await sent(admin, 'POST', '/v1/logs/exports', {
    filters: { time_of_generation_min: '2020-01-01T00:00:00Z' },
    requested_data: ['id', 'trace_id', 'metadata'],
  });
  const path = `/v1/logs/exports/${String(id)}`;
  await sent(admin, 'POST', `${path}/start`);
  await until('the export is done', async () => (await sent(admin, 'GET', path))['status'] === 'success');
  const { signed_url: url } = await sent(admin, 'GET', `${path}/download`);
  const text = await (await fetch(url as string)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ApiObject);
}

describe.skipIf(clientsAreMissing)('a request that the application also logged', () => {
  it('is one trace with its score in search, BTQL, the Portkey export and the trace API', async () => {
    const project = await projectId(admin, 'llm');
    const roots = { apply_to_root_span: true, scorers: [scorer('Contains', { text: 'water' })] };
    await makeRule('mentions water', roots, project);
    await makeRule('short', { source: 'requests', scorers: [scorer('MaxLength', { max: 100 })] });
    const env = {
      BRAINTRUST_APP_URL: weir.admin,
      BRAINTRUST_API_KEY: 'any',
      WEIR_URL: `${weir.url}/v1`,
    };
    const { code, stdout, stderr } = await runClient('bt-openai.mjs', env, []);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { id, trace } = JSON.parse(stdout) as { id: string; trace: string };
    const rows = await until('all are scored', async () => {
      const found = await fetchAll(admin, project);
      const [requests, root] = [
        found.filter(({ context }) => (context as ApiObject)?.['span_origin'] !== undefined),
        found.find((row) => row['id'] === id),
      ];
      const served = requests.filter(
        ({ context }) => ((context as ApiObject)['span_origin'] as ApiObject)['name'] === 'weir',
      );
      const isScored = served.length === 2 && served.every(({ scores }) => hasScore(scores, 'MaxLength'));
      return isScored && hasScore(root!['scores'], 'Contains') && found;
    });
    expect(new Set(rows.map((row) => row['root_span_id']))).toEqual(new Set([trace]));
    const root = rows.find((row) => row['id'] === id)!;
    expect(root['scores']).toMatchObject({ Contains: 1 });
    const children = rows.filter(
      ({ span_attributes: attributes }) => (attributes as ApiObject)['type'] === 'score',
    );
    expect(children).toMatchObject([
      { span_parents: [root['span_id']], scores: { Contains: 1 }, span_attributes: { purpose: 'scorer' } },
    ]);

    // Search.
    const search = async (query: string): Promise<ApiObject[]> => {
      const found = await sent(
        admin,
        'GET',
        `/v1/logs?trace_id=${trace.replaceAll('-', '')}&q=${encodeURIComponent(query)}`,
      );
      return found['logs'] as ApiObject[];
    };
    expect(await search('kind:request scores.MaxLength=1')).toHaveLength(2);
    // The root, and the span of the scorer.
    expect(await search('kind:span scores.Contains=1')).toHaveLength(2);

    // BTQL.
    const { data } = await sent(admin, 'POST', '/btql', {
      query: `select: id, scores.Contains as c, scores.MaxLength as m | from: project_logs('llm') traces | filter: root_span_id = '${trace}'`,
    });
    const values = (name: string) => (data as ApiObject[]).map((row) => row[name]).filter((one) => one === 1);
    expect([values('c').length, values('m').length]).toEqual([2, 2]);

    // The trace API.
    const shown = JSON.stringify(await sent(admin, 'GET', `/v1/traces/${trace.replaceAll('-', '')}`));
    expect(shown.match(/"annotations":\{"scores":\{"MaxLength":1\}\}/g)).toHaveLength(2);
    expect(shown).toContain('"scores":{"Contains":1}');

    // The figures.
    await weir.expectMetric(`weir_scoring_scored_total{rule="mentions water",project="${project}"}`, 1);
    await weir.expectMetric('weir_scoring_scored_total{rule="short",project=""}', 2);
    await weir.expectMetric('weir_scoring_behind_records{rule="short",project=""}', 0);

    // The Portkey export.
    const lines = (await exportedLines()).filter((line) => line['trace_id'] === trace.replaceAll('-', ''));
    const scores = lines.map(({ metadata }) => (metadata as ApiObject | null)?.['scores']);
    expect(scores).toEqual([{ MaxLength: 1 }, { MaxLength: 1 }]);
  });
});

it('scores a request with a judge behind the same weir, and never the requests of judges', async () => {
  const judge = await sent(admin, 'POST', '/v1/function', {
    kind: 'judge',
    name: 'fluent',
    url: `${weir.url}/v1`,
    model: 'vLLM',
    prompt: 'Is it fluent? {{output}}',
    choices: { 'The water flows': 0.75, no: 0 },
    use_cot: false,
  });
  const scorers = [{ type: 'function', id: judge['id'] }];
  const rule = await makeRule('judged', { source: 'requests', scorers });
  const ask = () =>
    fetch(`${weir.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'vLLM', messages: [{ role: 'user', content: 'hi' }] }),
    });
  const status = async (): Promise<ApiObject> => {
    const { status: of } = await sent(admin, 'GET', `/v1/project_score/${String(rule['id'])}`);
    return of as ApiObject;
  };
  for (let i = 1; i <= 3; i++) {
    await (await ask()).text();
    await until('the request is scored', async () => (await status())['scored'] === i);
  }
  await until('the rule has read all', async () => (await status())['behind_records'] === 0);
  expect(await status()).toMatchObject({ scored: 3, failed: 0 });
  const { logs } = await sent(
    admin,
    'GET',
    `/v1/logs?q=${encodeURIComponent('kind:request metadata.weir_purpose=scorer')}`,
  );
  expect(logs).toHaveLength(3);
  expect(JSON.stringify(logs)).not.toContain('"fluent"');
});
