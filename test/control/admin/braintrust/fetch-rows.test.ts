// Reading the rows of a project: pages of traces, filters, and the requests that weir served.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { byId, expectRefused, fetchAll, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';

/** One server for all tests. Each has a project and traces of its own. */
let admin: OpenAdmin;
let project: string;
let fetchPath: string;
let tests = 0;

beforeAll(async () => {
  admin = await startAdmin();
});
afterAll(async () => {
  await closeAdmins();
  removeFolders();
});
beforeEach(() => {
  project = randomUUID();
  fetchPath = `/v1/project_logs/${project}/fetch`;
  tests++;
});

const START = 1_795_740_214;

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const traceId = (trace: number): string => hex(tests * 1000 + trace, 32);
const spanId = (trace: number, span: number): string => hex(trace * 1000 + span + 1, 16);

/** The row of a span that began at second `trace` plus `span` milliseconds. Span 0 is the root. */
const row = (trace: number, span: number, more: ApiObject = {}): ApiObject => ({
  id: `${trace}.${span}`,
  project_id: project,
  log_id: 'g',
  span_id: spanId(trace, span),
  root_span_id: traceId(trace),
  ...(span === 0 ? {} : { span_parents: [spanId(trace, 0)] }),
  metrics: { start: START + trace + span / 1000 },
  ...more,
});
const log = (...rows: ApiObject[]) => sent(admin, 'POST', '/logs3', { rows });
const ids = (rows: readonly ApiObject[]) => rows.map(({ id }) => id);

describe('a fetch', () => {
  it('returns whole traces, the newest first, in pages', async () => {
    const traces = Array.from({ length: 12 }, (_, i) => i);
    await log(...traces.flatMap((trace) => [row(trace, 0), row(trace, 1), row(trace, 2)]));
    const expected = traces.toReversed().flatMap((trace) => [`${trace}.2`, `${trace}.1`, `${trace}.0`]);
    for (const limit of [1, 5, 12, 100])
      expect(ids(await fetchAll(admin, project, { limit }))).toEqual(expected);
    const { events, cursor } = await sent(admin, 'GET', `${fetchPath}?limit=2`);
    expect(ids(events as ApiObject[])).toEqual(expected.slice(0, 6));
    expect(cursor).toMatch(/^[\w-]+$/);
  });

  it('returns traces whose spans overlap once each', async () => {
    // Root of the first trace is the oldest row, its child the newest.
    const late = (trace: number) => row(trace, 9, { metrics: { start: START + 100 - trace } });
    await log(...[0, 1, 2, 3, 4].flatMap((trace) => [row(trace, 0), late(trace)]));
    for (const limit of [1, 2, 3]) {
      const rows = await fetchAll(admin, project, { limit });
      expect(ids(rows)).toEqual([0, 1, 2, 3, 4].flatMap((trace) => [`${trace}.9`, `${trace}.0`]));
    }
  });

  it('is not disturbed by rows that are stored between its pages', async () => {
    await log(...[0, 1, 2].map((trace) => row(trace, 0)));
    const first = await sent(admin, 'GET', `${fetchPath}?limit=1`);
    expect(ids(first['events'] as ApiObject[])).toEqual(['2.0']);
    await log(row(9, 0), row(1, 5, { metrics: { start: START + 50 } }), row(0, 0, { output: 'new' }));
    const rest = await fetchAll(admin, project, { limit: 1, cursor: first['cursor'] });
    expect(rest).toMatchObject([{ id: '1.5' }, { id: '1.0' }, { id: '0.0', output: 'new' }]);
  });

  it('knows only the rows of its project, and no deleted ones', async () => {
    const other = randomUUID();
    await log(row(0, 0), row(0, 1), row(1, 0, { project_id: other }), row(2, 0));
    await log({ id: '0.1', project_id: project, _object_delete: true });
    expect(ids(await fetchAll(admin, project))).toEqual(['2.0', '0.0']);
    expect(ids(await fetchAll(admin, other))).toEqual(['1.0']);
  });

  it('returns rows whose text is longer than a record has room for', async () => {
    const input = 'long '.repeat(40_000);
    await log(row(0, 0, { input, metadata: { user_id: '1' } }));
    expect(await fetchAll(admin, project)).toMatchObject([{ input, metadata: { user_id: '1' } }]);
    const filters = [{ type: 'path_lookup', path: ['metadata', 'user_id'], value: '1' }];
    expect(await fetchAll(admin, project, { filters })).toMatchObject([{ input }]);
  });

  it('returns versions up to a transaction', async () => {
    const { xact_id: first } = await log(row(0, 0));
    await log(row(1, 0));
    expect(ids(await fetchAll(admin, project, { version: first }))).toEqual(['0.0']);
    expect(ids(await fetchAll(admin, project, { max_xact_id: first, max_root_span_id: 'f' }))).toEqual([
      '0.0',
    ]);
    expect(await fetchAll(admin, project, { max_xact_id: first, max_root_span_id: '0' })).toEqual([]);
    expect(await fetchAll(admin, project, { max_xact_id: 1 })).toEqual([]);
  });

  it.each([
    [{ limit: 0 }, 'limit: must be a whole number of traces, at least 1'],
    [{ limit: 'x' }, 'limit: must be a whole number of traces, at least 1'],
    [{ cursor: 'c' }, 'cursor: it was not issued by this server, or it has expired'],
    [{ cursor: { a: 1 } }, 'cursor: it was not issued by this server, or it has expired'],
    [{ version: 'x' }, 'version: must be the _xact_id of a row'],
    [{ max_xact_id: -1 }, 'max_xact_id: must be the _xact_id of a row'],
    [{ filters: 'x' }, 'filters: must be a list of {"type": "path_lookup"'],
    [{ filters: [{ type: 'path_lookup', path: [], value: 1 }] }, 'filters: must be a list'],
    [{ filters: [{ type: 'sql', path: ['a'], value: 1 }] }, 'filters: must be a list'],
  ])('is refused for %j', async (body, text) => {
    await log(row(0, 0));
    expect(await expectRefused(admin, 400, 'POST', fetchPath, body)).toContain(text);
  });

  it('returns the rows of a project that is not listed any more', async () => {
    await log(row(0, 0));
    await sent(admin, 'DELETE', `/v1/project/${project}`);
    expect(ids(await fetchAll(admin, project))).toEqual(['0.0']);
  });

  it('of an unknown project is refused', async () => {
    expect(await expectRefused(admin, 404, 'GET', '/v1/project_logs/none/fetch')).toBe(
      'No such project: none',
    );
  });
});

describe('filters', () => {
  it.each([
    [['metadata', 'user_id'], '1234', ['1.0', '0.0']],
    [['metadata', 'user_id'], 1234, []],
    [['metadata', 'plan', 'name'], 'free', ['0.0']],
    [['metadata', 'a.b'], true, ['2.0']],
    [['metadata'], { plan: { name: 'free' }, user_id: '1234' }, ['0.0']],
    [['scores', 'Factuality'], 0.5, ['1.1']],
    [['tags'], 'triage', ['2.0']],
    [['output'], null, ['2.0', '1.0', '0.0']],
    [['span_attributes', 'type'], 'llm', ['1.1']],
    [['input', 'q'], 'hi', ['1.0']],
  ])('select rows by %j = %j', async (path, value, expected) => {
    await log(
      row(0, 0, { metadata: { user_id: '1234', plan: { name: 'free' } } }),
      row(1, 0, { metadata: { user_id: '1234', plan: { name: 'pro' } }, input: { q: 'hi' } }),
      row(1, 1, { scores: { Factuality: 0.5 }, span_attributes: { type: 'llm' }, output: 1 }),
      row(2, 0, { metadata: { 'a.b': true }, tags: ['x', 'triage'] }),
    );
    const filters = [{ type: 'path_lookup', path, value }];
    for (const limit of [1, 100])
      expect(ids(await fetchAll(admin, project, { filters, limit }))).toEqual(expected);
  });

  it('must all match', async () => {
    await log(row(0, 0, { metadata: { a: '1', b: '2' } }), row(1, 0, { metadata: { a: '1' } }));
    const filters = [
      { type: 'path_lookup', path: ['metadata', 'a'], value: '1' },
      { type: 'path_lookup', path: ['metadata', 'b'], value: '2' },
    ];
    expect(ids(await fetchAll(admin, project, { filters }))).toEqual(['0.0']);
  });
});

describe('a trace', () => {
  it('has the requests that weir served in it', async () => {
    const request = `req-${tests}`;
    await log(row(0, 0), row(0, 1, { span_attributes: { name: 'Chat Completion', type: 'llm' } }));
    await admin.logs.post([
      {
        ...BLANK,
        kind: 'request',
        timeNs: BigInt(START) * 1_000_000_000n + 2_000_000n,
        durationNs: 1_500_000_000,
        message: 'POST /v1/chat/completions 200',
        requestId: request,
        traceId: traceId(0),
        spanId: 'aaaaaaaaaaaaaaaa',
        parentSpanId: spanId(0, 1),
        status: 200,
        deployment: 'dep1',
        environment: 'production',
        replica: 'r0',
        attributes: JSON.stringify({
          method: 'POST',
          path: '/v1/chat/completions',
          protocol: 'http',
          cause: 'ok',
          model: 'llama',
          input_tokens: 7,
          output_tokens: 3,
          total_tokens: 10,
          first_token_ms: 120,
          cost: 0.002,
        }),
      },
      { ...BLANK, kind: 'request', requestId: 'other', traceId: traceId(5), spanId: 'bbbbbbbbbbbbbbbb' },
    ]);
    const rows = byId(await fetchAll(admin, project));
    expect(Object.keys(rows)).toEqual([request, '0.1', '0.0']);
    expect(rows[request]).toMatchObject({
      project_id: project,
      span_id: 'aaaaaaaaaaaaaaaa',
      root_span_id: traceId(0),
      span_parents: [spanId(0, 1)],
      is_root: false,
      span_attributes: { name: expect.stringMatching(/^POST /) as string, type: 'llm' },
      error: null,
      metadata: { model: 'llama', status: 200, deployment: 'dep1', environment: 'production', replica: 'r0' },
      metrics: {
        start: START + 0.002,
        end: START + 1.502,
        prompt_tokens: 7,
        completion_tokens: 3,
        tokens: 10,
        time_to_first_token: 0.12,
        estimated_cost: 0.002,
      },
    });
  });

  it.each([
    ['in a trace of the application', () => traceId(0)],
    ['in a trace of its own', () => traceId(7)],
    ['without a trace', () => ''],
  ])('has the feedback on a request %s, which is logged with the request id', async (_, trace) => {
    const request = `req-${tests}`;
    await admin.logs.post([
      {
        ...BLANK,
        kind: 'request',
        timeNs: BigInt(START) * 1_000_000_000n + 2_000_000n,
        message: 'POST /v1/chat/completions 200',
        requestId: request,
        traceId: trace(),
        status: 200,
        attributes: JSON.stringify({ method: 'POST', path: '/v1/chat/completions', model: 'llama' }),
      },
    ]);
    const audit = { _audit_source: 'external', project_id: project, log_id: 'g' };
    await log(
      row(0, 0),
      row(1, 0),
      { id: request, scores: { thumbs: 1 }, expected: 'x', tags: ['good'], _is_merge: true, ...audit },
      { id: 'c1', origin: { id: request }, comment: { text: 'great' }, ...audit },
      { id: 'no-request', scores: { thumbs: 0 }, _is_merge: true, ...audit },
    );
    for (const limit of [1, 100]) {
      const rows = byId(await fetchAll(admin, project, { limit }));
      expect(Object.keys(rows).toSorted()).toEqual(['0.0', '1.0', 'no-request', request]);
      expect(rows[request]).toMatchObject({
        span_attributes: { name: 'POST /v1/chat/completions', type: 'llm' },
        metadata: { model: 'llama', status: 200 },
        scores: { thumbs: 1 },
        expected: 'x',
        tags: ['good'],
        comments: [{ comment: { text: 'great' } }],
      });
    }
  });

  it('has the mean of its scores and its tags in the parents that have none of their own', async () => {
    await log(
      row(0, 0, { scores: { own: 1 }, tags: ['root'] }),
      row(0, 1, { scores: { thumbs: 1, own: 0 } }),
      row(0, 2, { scores: { thumbs: 0 }, tags: ['below'] }),
      row(0, 3, { scores: { thumbs: 0.5, none: null }, span_parents: [spanId(0, 2)] }),
    );
    const rows = byId(await fetchAll(admin, project));
    expect(rows['0.0']).toMatchObject({ scores: { own: 1, thumbs: 0.5 }, tags: ['root', 'below'] });
    expect(rows['0.2']).toMatchObject({ scores: { thumbs: 0 }, tags: ['below'] });
    expect(rows['0.3']!['scores']).toEqual({ thumbs: 0.5, none: null });
    const filters = [{ type: 'path_lookup', path: ['id'], value: '0.0' }];
    expect((await fetchAll(admin, project, { filters }))[0]!['scores']).toEqual({ own: 1 });
  });

  it('is complete even if its spans are parents of each other', async () => {
    await log(
      row(0, 1, { span_parents: [spanId(0, 2)], scores: { s: 1 } }),
      row(0, 2, { span_parents: [spanId(0, 1)], scores: { s: 0 } }),
      row(0, 3, { span_parents: [spanId(0, 3)], scores: { t: 1 } }),
    );
    const rows = byId(await fetchAll(admin, project));
    expect(Object.values(rows).map(({ scores }) => scores)).toEqual([{ t: 1 }, { s: 0 }, { s: 1 }]);
  });
});
