// Braintrust's SDK and REST client, unmodified, in processes of their own, against a real weir.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byId, fetchAll, sent, type ApiObject } from '../kit/braintrust-api.ts';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { ModelReplica } from '../kit/model-replica.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

let weir: Weir;
let replica: ModelReplica;
/** The admin server. */
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

/** Runs a script with nothing but the address of weir and a key. Returns the JSON that it prints. */
async function run(script: string, args: readonly string[] = [], stderr = ''): Promise<ApiObject> {
  const env = {
    BRAINTRUST_APP_URL: weir.admin,
    BRAINTRUST_BASE_URL: weir.admin,
    BRAINTRUST_API_KEY: 'any',
    WEIR_URL: `${weir.url}/v1`,
  };
  const ended = await runClient(script, env, args);
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr });
  return JSON.parse(ended.stdout) as ApiObject;
}
const nameOf = (row: ApiObject) => String((row['span_attributes'] as ApiObject)['name']);
const named = (rows: readonly ApiObject[], name: string) => rows.find((row) => nameOf(row) === name)!;

describe.skipIf(clientsAreMissing)("Braintrust's SDK", () => {
  it('logs traces, feedback, updates and errors', async () => {
    const { project, root, single, sum, permalink } = await run('bt-traced.mjs', [], 'boom\n');
    const { id, trace } = root as { id: string; trace: string };
    expect(sum).toBe(3);
    expect(permalink).toContain(`${weir.admin}/app/weir/`);
    const rows = await fetchAll(admin, project as string);
    const ofTrace = rows.filter((row) => row['root_span_id'] === trace);
    expect(ofTrace.map(nameOf).toSorted()).toEqual(['llm', 'retrieve', 'root']);
    expect(byId(rows)[id]).toMatchObject({
      is_root: true,
      span_attributes: { name: 'root', type: 'task' },
      input: { question: 'hi' },
      output: 'patched',
      expected: 'yes',
      metadata: { user_id: '1234', model: 'm', extra: 1 },
      tags: ['triage', 'good'],
      scores: { Factuality: 0.8, correctness: 1, relevance: 0.5 },
      comments: [{ comment: { text: 'great' }, source: 'external', metadata: { user_id: 'u9' } }],
      metrics: { custom: 1, start: expect.any(Number) as number, end: expect.any(Number) as number },
    });
    const rootSpan = byId(rows)[id]!['span_id'];
    expect(named(rows, 'retrieve')).toMatchObject({
      span_parents: [rootSpan],
      input: 'doc',
      output: ['a', 'b'],
      scores: { relevance: 0.5 },
      span_attributes: { type: 'tool' },
    });
    expect(named(rows, 'llm')).toMatchObject({ span_parents: [rootSpan], output: 'hello' });
    expect(byId(rows)[single as string]).toMatchObject({
      output: 'y',
      scores: { a: 1, b: null },
      tags: ['t'],
    });
    expect(named(rows, 'add')).toMatchObject({ input: [1, 2], output: 3 });
    expect(named(rows, 'failing')['error']).toContain('boom');
    const { logs } = await sent(admin, 'GET', '/v1/logs?kind=span&environment=staging&q=retrieve');
    expect(logs).toMatchObject([{ message: 'retrieve', source: `project:${project as string}` }]);
    const filters = [{ type: 'path_lookup', path: ['metadata', 'user_id'], value: '1234' }];
    expect(await fetchAll(admin, project as string, { filters })).toMatchObject([{ id }]);
  });

  it('logs to several projects, and to parents in other processes', async () => {
    const { projects, ids, trace, remote } = await run('bt-projects.mjs');
    const [a, byNewId, global, named2] = projects as { id: string; name: string }[];
    expect([a!.name, global!.name, named2!.name]).toEqual(['A', 'Global', 'N']);
    for (const [i, { id }] of [a!, byNewId!, global!, named2!].entries())
      expect(byId(await fetchAll(admin, id))[(ids as string[])[i]!]).toMatchObject({
        input: `of logger ${i}`,
      });
    const rows = await fetchAll(admin, a!.id);
    expect(byId(rows)['my-row']).toMatchObject({
      input: 1,
      error: 'bad',
      metadata: { a: 1, b: { c: 1, d: 2 } },
      span_attributes: { name: 'renamed' },
      metrics: { start: 1700000000.5, end: 1700000001.25 },
    });
    expect(named(rows, 'service A')).toMatchObject({ root_span_id: trace, output: 'late' });
    expect(named(rows, 'service B')).toMatchObject({
      root_span_id: trace,
      span_parents: [named(rows, 'service A')['span_id']],
    });
    expect(remote).toEqual({ trace: '0af7651916cd43dd8448eb211c80319c', parents: ['b7ad6b7169203331'] });
    expect(named(rows, 'remote')).toMatchObject({
      root_span_id: '0af7651916cd43dd8448eb211c80319c',
      span_parents: ['b7ad6b7169203331'],
      is_root: false,
    });
  });

  it('logs one trace with the requests to the model that weir serves', async () => {
    const { project, trace, span } = await run('bt-openai.mjs');
    const rows = await fetchAll(admin, project as string);
    expect(new Set(rows.map((row) => row['root_span_id']))).toEqual(new Set([trace]));
    const byOrigin = (name: string) =>
      rows.filter(({ context }) => ((context as ApiObject)['span_origin'] as ApiObject)['name'] === name);
    const requests = byOrigin('weir');
    expect(requests).toHaveLength(2);
    for (const row of requests)
      expect(row).toMatchObject({
        span_attributes: { name: expect.stringMatching(/^POST /) as string, type: 'llm' },
        span_parents: [span],
        input: [{ role: 'user', content: 'hi' }],
        output: [{ message: { content: 'The water flows' } }],
        metadata: { model: 'vLLM', status: 200 },
        metrics: { prompt_tokens: 7, completion_tokens: 3, tokens: 10 },
      });
    expect(requests.filter((row) => 'time_to_first_token' in (row['metrics'] as ApiObject))).not.toEqual([]);
    const calls = rows.filter((row) => nameOf(row) === 'Chat Completion');
    expect(calls).toHaveLength(2);
    for (const row of calls) expect(row).toMatchObject({ span_parents: [span], metrics: { tokens: 10 } });
    const shown = await sent(admin, 'GET', `/v1/traces/${trace as string}`);
    const [root] = shown['spans'] as { name: string; children: { name: string }[] }[];
    expect(root!.name).toBe('chat-handler');
    expect(root!.children.map(({ name }) => name).toSorted()).toEqual([
      'Chat Completion',
      'Chat Completion',
      'POST /v1/chat/completions 200',
      'POST /v1/chat/completions 200',
    ]);
  });

  it('uploads attachments and reads them again', async () => {
    const { project, text, status } = await run('bt-attachments.mjs');
    expect([text, status]).toEqual(['PNGDATA', { upload_status: 'done' }]);
    const [row] = await fetchAll(admin, project as string);
    expect(row!['input']).toMatchObject({
      image: { type: 'braintrust_attachment', filename: 'a.png', content_type: 'image/png' },
      json: { type: 'braintrust_attachment', filename: 'd.json' },
      external: { type: 'external_attachment', url: 's3://bucket/key' },
    });
  });
});

describe.skipIf(clientsAreMissing)("Braintrust's REST client", () => {
  it('works with projects, rows and feedback', async () => {
    const seen = await run('bt-rest.mjs');
    const { id } = seen['project'] as { id: string };
    expect(seen).toMatchObject({
      listed: [{ id, name: 'rest' }],
      renamed: { id, name: 'rest2' },
      retrieved: { id, name: 'rest2' },
      inserted: { row_ids: ['r1', 'r1', expect.any(String) as string] },
      first: { events: [{ input: 'c' }], cursor: expect.any(String) as string },
      second: { events: [{ id: 'r1' }], cursor: null },
      filtered: {
        events: [
          {
            id: 'r1',
            expected: 'x',
            scores: { s: 0.5, a: 1 },
            tags: ['t', 'u'],
            metadata: { user_id: '1', z: 1 },
            comments: [{ comment: { text: 'c' }, source: 'app' }],
          },
        ],
      },
      error: {
        name: 'BadRequestError',
        status: 400,
        message: '400 Invalid request: cursor: it was not issued by this server, or it has expired',
      },
      deleted: { id },
    });
  });
});
