// POST /btql over HTTP: forms of answers, pages, errors with their places, limits, and requests in traces.
import { afterEach, describe, expect, it } from 'vitest';
import { Btql } from '../../../../src/telemetry/btql/btql.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { expectRefused, projectId, send, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { allPages, ask, column, logRows, rowsOf } from '../../../kit/btql-api.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const NOW = Date.now();
const SUBJECT = { modelId: 'mdl1', scheme: 'http', genAi: 'common' } as const;
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

/** The row of the span `n` of a trace, one second after the one before. */
const row = (n: number, trace = n, more: ApiObject = {}): ApiObject => ({
  id: `s${n}`,
  span_id: hex(n + 1, 16),
  root_span_id: hex(trace + 1, 32),
  created: new Date(NOW - 100_000 + n * 1000).toISOString(),
  metrics: { start: (NOW - 100_000 + n * 1000) / 1000 },
  ...more,
});

async function startDemo(
  rows: readonly ApiObject[],
  options = {},
): Promise<{ admin: OpenAdmin; project: string }> {
  const admin = await startAdmin(options);
  const project = await projectId(admin, 'demo');
  if (rows.length > 0) await logRows(admin, project, rows);
  return { admin, project };
}

const P = "project_logs('demo')";
const refused = (admin: OpenAdmin, query: unknown, more: ApiObject = {}): Promise<string> =>
  expectRefused(admin, 400, 'POST', '/btql', { query, ...more });

describe('an answer', () => {
  it('has what the clients need', async () => {
    const { admin, project } = await startDemo([row(0)]);
    const answer = await ask(admin, `select: * | from: project_logs('${project}')`);
    expect(answer).toMatchObject({
      data: [{ id: 's0', project_id: project }],
      cursor: null,
      schema: { type: 'array', items: { type: 'object', properties: { id: { type: 'string' } } } },
      realtime_state: { type: 'on', minimum_xact_id: '0', read_bytes: 0 },
    });
    expect(answer).not.toHaveProperty('warnings');
  });

  it('has one row a line as jsonl, with the cursor in a header', async () => {
    const { admin } = await startDemo([row(0), row(1), row(2)]);
    const body = { query: `select: id | from: ${P} | limit: 2`, fmt: 'jsonl' };
    const { status, text, headers } = await send(admin, 'POST', '/btql', body);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/x-ndjson');
    expect(text).toBe('{"id":"s2"}\n{"id":"s1"}\n');
    const next = await ask(admin, body.query, { cursor: headers['x-bt-cursor'] });
    expect(next).toMatchObject({ data: [{ id: 's0' }], cursor: null });
  });

  it('is compressed if the client accepts it', async () => {
    const { admin } = await startDemo([row(0, 0, { input: 'text '.repeat(2000) })]);
    const text = JSON.stringify({ query: `select: * | from: ${P}` });
    const response = await fetch(`${admin.url}/btql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip' },
      body: text,
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(await response.json()).toMatchObject({ data: [{ id: 's0' }] });
    const plain = await send(admin, 'POST', '/btql', text);
    expect(plain.headers['content-encoding']).toBeUndefined();
  });

  it('reads a project by name and by id, and several at once', async () => {
    const { admin, project } = await startDemo([row(0)]);
    const other = await projectId(admin, 'other');
    await logRows(admin, other, [row(1)]);
    expect(await column(admin, `select: id | from: project_logs('${project}')`)).toEqual(['s0']);
    expect(await column(admin, `SELECT id FROM project_logs('demo', 'other')`)).toEqual(['s1', 's0']);
    expect(await refused(admin, "select: id | from: project_logs('nowhere')")).toContain(
      'there is no project "nowhere"',
    );
  });

  it('has the rows of objects that no project has: none', async () => {
    const { admin, project } = await startDemo([]);
    expect(await rowsOf(admin, `SELECT * FROM project_prompts('${project}')`)).toEqual([]);
  });

  it('lists the stored scorers of a project', async () => {
    const { admin, project } = await startDemo([row(0)]);
    const ofProject = `project_functions('${project}')`;
    const query = `SELECT * FROM ${ofProject} WHERE function_type = 'scorer'`;
    expect(await rowsOf(admin, query)).toEqual([]);
    const scorer = { project_id: project, kind: 'code', code: '() => 1' };
    for (const name of ['one', 'two'])
      await sent(admin, 'POST', '/v1/function', { ...scorer, name, slug: `slug-${name}` });
    await sent(admin, 'POST', '/v1/function', { ...scorer, name: 'none', slug: 's', project_id: undefined });
    expect(await rowsOf(admin, query)).toMatchObject([
      { name: 'two', slug: 'slug-two', project_id: project, function_type: 'scorer', code: '() => 1' },
      { name: 'one', slug: 'slug-one', project_id: project },
    ]);
    expect(
      await column(admin, `select: id | from: ${ofProject} | filter: name = 'one' | limit: 1`),
    ).toHaveLength(1);
    expect(await rowsOf(admin, `select: name | from: ${ofProject} | sort: name`)).toEqual([
      { name: 'one' },
      { name: 'two' },
    ]);
    expect(await rowsOf(admin, `measures: count(1) as n | from: ${ofProject}`)).toEqual([{ n: 2 }]);
    expect(await refused(admin, `select: * | from: ${ofProject} traces`)).toContain('has no shape traces');
    expect(await refused(admin, `select: * | from: project_functions('nowhere')`)).toContain(
      'there is no project "nowhere"',
    );
  });

  it('begins days where the zone of the user does', async () => {
    const at = Date.parse('2026-11-20T03:00:00Z');
    const { admin } = await startDemo([
      { ...row(0), created: new Date(at).toISOString(), metrics: { start: at / 1000 } },
    ]);
    const query = `dimensions: day(created) as d | measures: count(1) as n | from: ${P}`;
    expect(await rowsOf(admin, query)).toEqual([{ d: '2026-11-20T00:00:00Z', n: 1 }]);
    expect(await rowsOf(admin, query, { tz_offset: 480 })).toEqual([{ d: '2026-11-19T08:00:00Z', n: 1 }]);
  });
});

describe('pages', () => {
  const rows = Array.from({ length: 23 }, (_, n) => row(n, n % 7, { metadata: { n } }));
  const newest = rows.map(({ id }) => id).toReversed();

  it('have every row once, in each order', async () => {
    const { admin } = await startDemo(rows);
    for (const limit of [1, 5, 23, 50])
      for (const [sort, expected] of [
        ['', newest],
        ['| sort: created desc', newest],
        ['| sort: created asc', newest.toReversed()],
        ['| sort: _pagination_key DESC', newest],
        ['| sort: _xact_id ASC', newest.toReversed()],
      ] as const) {
        const found = await allPages(admin, `select: id | from: ${P} ${sort} | limit: ${limit}`);
        expect(
          found.map(({ id }) => id),
          `${sort} ${limit}`,
        ).toEqual(expected);
      }
  });

  it('have every trace once', async () => {
    const { admin } = await startDemo(rows);
    for (const limit of [1, 3, 100])
      for (const sort of ['', '| sort: _pagination_key DESC', '| sort: created asc']) {
        const found = await allPages(admin, `select: id | from: ${P} traces ${sort} | limit: ${limit}`);
        expect(new Set(found.map(({ id }) => id)), `${sort} ${limit}`).toEqual(new Set(newest));
        expect(found).toHaveLength(newest.length);
        const summaries = await allPages(
          admin,
          `select: root_span_id | from: ${P} summary ${sort} | limit: ${limit}`,
        );
        expect(new Set(summaries.map(({ root_span_id: id }) => id)).size).toBe(7);
        expect(summaries).toHaveLength(7);
      }
  });

  it('go on where the filter matches', async () => {
    const { admin } = await startDemo(rows);
    const query = `select: id | from: ${P} | filter: metadata.n % 3 = 0`;
    const expected = newest.filter((id) => Number(String(id).slice(1)) % 3 === 0);
    expect((await allPages(admin, `${query} | limit: 2`)).map(({ id }) => id)).toEqual(expected);
  });

  it('refuse the cursor of another query, and a text that is none', async () => {
    const { admin } = await startDemo(rows);
    const { cursor } = (await ask(admin, `select: id | from: ${P} | limit: 2`)) as { cursor: string };
    expect(cursor).toMatch(/^[\w-]+$/);
    const other = `select: id | from: ${P} | filter: metadata.n > 1 | cursor: '${cursor}'`;
    expect(await refused(admin, other)).toContain('it was issued for another query');
    expect(await refused(admin, `select: id | from: ${P} | cursor: 'CUR1'`)).toContain(
      'it was not issued by this server',
    );
    const sorted = `select: id | from: ${P} | sort: metadata.n | cursor: '${cursor}'`;
    expect(await refused(admin, sorted)).toContain('a cursor needs rows without sort');
  });

  it('are sorted by any value, and sampled', async () => {
    const { admin } = await startDemo(rows);
    const query = `SELECT id, metadata.n % 5 AS rest FROM ${P} ORDER BY rest DESC, id ASC LIMIT 3`;
    expect(await column(admin, query)).toEqual(['s14', 's19', 's4']);
    const half = `select: id | from: ${P} | sample: 50%`;
    const first = await column(admin, half);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(23);
    expect(await column(admin, half)).toEqual(first);
    expect(await column(admin, `select: id | from: ${P} | sample: 4`)).toHaveLength(4);
  });
});

describe('a trace', () => {
  const request = {
    ...BLANK,
    kind: 'request' as const,
    timeNs: BigInt(NOW - 50_000) * 1_000_000n,
    requestId: 'req-1',
    traceId: hex(1, 32),
    spanId: hex(77, 16),
    parentSpanId: hex(1, 16),
    status: 200,
    message: 'POST /v1/chat/completions 200',
    attributes: JSON.stringify({ method: 'POST', path: '/v1/chat/completions', model: 'm', total_tokens: 9 }),
  };

  it('has the requests that weir served in it', async () => {
    const { admin } = await startDemo([row(0), row(1)]);
    await admin.logs.post([request, { ...request, requestId: 'req-2', traceId: hex(99, 32) }]);
    const trace = `filter: root_span_id = '${hex(1, 32)}'`;
    expect(await column(admin, `select: * | from: ${P} | ${trace}`)).toEqual(['req-1', 's0']);
    expect(await column(admin, `select: * | from: ${P} traces | ${trace}`)).toEqual(['req-1', 's0']);
    const [shown] = await rowsOf(
      admin,
      `select: * | from: ${P} | filter: id = 'req-1' | preview_length: -1 | limit: 1`,
    );
    expect(shown).toMatchObject({ span_parents: [hex(1, 16)], metadata: { model: 'm', status: 200 } });
    // A request that is not in a trace of the project is not one of its rows.
    expect(await column(admin, `select: * | from: ${P} | filter: id = 'req-2'`)).toEqual([]);
  });

  it('is not counted twice', async () => {
    const { admin } = await startDemo([row(0, 0, { metrics: { tokens: 9 } })]);
    await admin.logs.post([request]);
    const query = `measures: count(1) as n, sum(metrics.total_tokens) as tokens | from: ${P} | filter: root_span_id = '${hex(1, 32)}'`;
    expect(await rowsOf(admin, query)).toEqual([{ n: 1, tokens: 9 }]);
    expect(await rowsOf(admin, `select: metrics | from: ${P} summary`)).toMatchObject([
      { metrics: { total_tokens: 9 } },
    ]);
  });
});

describe('a preview', () => {
  it('cuts long values and keeps short ones', async () => {
    const input = { messages: 'long '.repeat(100) };
    const { admin } = await startDemo([
      row(0, 0, { input, output: { a: 1 }, metadata: { model: 'm', text: 'x'.repeat(300) } }),
    ]);
    const [shown] = await rowsOf(admin, `select: * | from: ${P} | preview_length: 20`);
    expect(shown).toMatchObject({
      input: `${JSON.stringify(input).slice(0, 20)}…`,
      output: { a: 1 },
      metadata: { model: 'm', text: `${'x'.repeat(20)}…` },
    });
    const [whole] = await rowsOf(admin, `select: * | from: ${P} | preview_length: -1`);
    expect(whole).toMatchObject({ input });
  });

  it('has a row that is too large for the attributes of a record', async () => {
    const input = 'long '.repeat(40_000);
    const { admin } = await startDemo([row(0, 0, { input, metadata: { z: 1 } }), row(1)]);
    expect(await rowsOf(admin, `select: input | from: ${P} | filter: len(input) > 100000`)).toEqual([
      { input },
    ]);
    expect(await column(admin, `select: id | from: ${P} | filter: metadata.z = 1`)).toEqual(['s0']);
  });
});

describe('a tree', () => {
  const literal = (value: unknown) => ({ op: 'literal', value });
  const ident = (...name: string[]) => ({ op: 'ident', name });
  const from = { op: 'function', name: ident('project_logs'), args: [literal('demo')] };

  it('is what the SDK sends to read the spans of a trace', async () => {
    const { admin } = await startDemo([
      row(0, 0, { span_attributes: { name: 'n1', type: 'llm' } }),
      row(1, 0, { span_attributes: { name: 'n2', type: 'llm', purpose: 'scorer' } }),
      row(2, 1, { span_attributes: { name: 'n1', type: 'llm' } }),
    ]);
    const purpose = ident('span_attributes', 'purpose');
    const query = {
      select: [{ op: 'star' }],
      from,
      cursor: undefined,
      limit: 1000,
      filter: {
        op: 'and',
        children: [
          { op: 'eq', left: ident('root_span_id'), right: literal(hex(1, 32)) },
          {
            op: 'or',
            children: [
              { op: 'isnull', expr: purpose },
              { op: 'ne', left: purpose, right: literal('scorer') },
            ],
          },
          { op: 'in', left: ident('span_attributes', 'type'), right: literal(['llm']) },
        ],
      },
    };
    const sentAlong = {
      use_columnstore: false,
      brainstore_realtime: true,
      query_source: 'js_sdk_object_fetcher',
    };
    expect(await rowsOf(admin, query, sentAlong)).toMatchObject([{ id: 's0' }]);
  });

  it('is refused with the place of a mistake', async () => {
    const { admin } = await startDemo([]);
    const of = (filter: unknown) => ({ select: [{ op: 'star' }], from, filter });
    expect(await refused(admin, of({ op: 'equals', left: ident('a'), right: literal(1) }))).toContain(
      'query.filter.op: unknown operator "equals"',
    );
    expect(await refused(admin, of({ op: 'eq', left: ident('a') }))).toContain(
      'query.filter.right must be an object',
    );
    expect(
      await refused(admin, of({ op: 'eq', left: { op: 'ident', name: [] }, right: literal(1) })),
    ).toContain('query.filter.left.name must be a list');
    let deep: object = literal(true);
    for (let i = 0; i < 70; i++) deep = { op: 'not', expr: deep };
    expect(await refused(admin, of(deep))).toContain('more than 64 levels');
    expect(await refused(admin, [])).toContain('query must be an object');
  });
});

describe('a query that is not understood', () => {
  it.each([
    ['select: * | form: x', 'unknown clause "form"; did you mean "from"?', [1, 13]],
    [`SELECT a FROM ${P} a JOIN b ON 1=1`, 'JOIN is not supported', [1, 38]],
    [`select: *\nfrom: ${P}\nfilter: metadata.x = = 1`, 'expected a value', [3, 22]],
    [`select: * | from: ${P} | filter: created > now() - 1 day`, 'write interval 1 day', [1, 68]],
    [`select: * | from: ${P} | filter: lowr(input) = 'a'`, 'did you mean "lower"?', [1, 50]],
    [`select: * | from: ${P} | filter: count(1) > 1`, 'count() is an aggregate', [1, 50]],
    [`SELECT id, count(*) FROM ${P} GROUP BY metadata.model`, 'id is neither in the groups', [1, 8]],
    [`select: * | from: ${P} | filter: any_span(error is not null)`, 'any_span() is allowed in', [1, 50]],
    [`dimensions: id | measures: count(1) as n | from: ${P} | pivot: x`, 'pivot takes measures', [1, 80]],
    [`SELECT DISTINCT count(1) FROM ${P}`, 'DISTINCT has no meaning with aggregates', [1, 8]],
    [`SELECT DISTINCT * FROM ${P}`, 'name the columns of SELECT DISTINCT', [1, 17]],
    [`WITH a AS (SELECT id FROM ${P}) SELECT id FROM ${P}`, 'is not read by the query behind it', [1, 27]],
    [`WITH RECURSIVE a AS (SELECT id FROM ${P}) SELECT id FROM a`, 'WITH RECURSIVE is not', [1, 6]],
    [`WITH a AS (SELECT id FROM (SELECT id FROM ${P})) SELECT id FROM a`, 'at most 1 query inside', [1, 27]],
    [`select: * | from: datasets('x')`, 'unknown source "datasets"', [1, 19]],
    [`select: * | from: ${P} | filter: created > 'yesterday'`, '"yesterday" is not a time', [1, 60]],
    [`select: * | from: ${P} | filter: 'a`, 'has no closing', [1, 50]],
    [`select: * | from: ${P} trace`, 'did you mean "traces"?', [1, 40]],
    [`select: percentile(a, 2) | from: ${P}`, 'a number from 0 to 1', [1, 23]],
    ['', 'the query is empty', [1, 1]],
  ] as const)('is refused with its place: %s', async (query, problem, place) => {
    const { admin } = await startDemo([]);
    const { status, text } = await send(admin, 'POST', '/btql', { query });
    expect(status, text).toBe(400);
    const error = JSON.parse(text) as { Message: string; position?: { line: number; column: number } };
    expect(error.Message).toContain(problem);
    expect([error.position?.line, error.position?.column]).toEqual(place);
  });

  it('is refused if its envelope is wrong', async () => {
    const { admin } = await startDemo([]);
    expect(await refused(admin, 5)).toContain('query: must be a text or a tree');
    expect(await refused(admin, `select: * | from: ${P}`, { fmt: 'parquet' })).toContain(
      '"parquet" is not supported',
    );
    expect(await refused(admin, `select: * | from: ${P}`, { tz_offset: 1e9 })).toContain('tz_offset');
    expect(await refused(admin, `select: * | from: ${P}`, { cursor: { at: 1 } })).toContain('cursor');
    expect(await refused(admin, `select: * | from: ${P} | filter: ${'a or '.repeat(20_000)} a`)).toContain(
      '65536',
    );
  });
});

describe('limits', () => {
  it('end a query that takes too long, with a warning and a cursor', async () => {
    const rows = Array.from({ length: 1200 }, (_, n) => row(n % 99, n, { id: `s${n}` }));
    const admin = await startAdmin();
    const btql = new Btql(admin.logs, SUBJECT, () => [], { timeMs: 0 });
    try {
      const limited = await startAdmin({ deps: { btql } });
      const project = await projectId(limited, 'demo');
      await logRows(admin, project, rows);
      const answer = await ask(limited, `select: id | from: ${P} | filter: input MATCH 'nothing'`);
      expect(answer).toMatchObject({ data: [], warnings: [{ code: 'timeout_limit' }] });
      expect(answer['cursor']).toMatch(/./);
      const [warning] = answer['warnings'] as { message: string }[];
      expect(warning!.message).toMatch(/not complete.* \d+ rows were read, up to rows of 20/);
      const groups = await ask(limited, `measures: count(1) as n | from: ${P} | sample: 100%`);
      expect(groups).toMatchObject({ warnings: [{ code: 'timeout_limit' }] });
    } finally {
      await btql.stop();
    }
  });

  it('end a query that needs too much memory', async () => {
    const admin = await startAdmin();
    const btql = new Btql(admin.logs, SUBJECT, () => [], { memoryBytes: 10_000 });
    try {
      const limited = await startAdmin({ deps: { btql } });
      const project = await projectId(limited, 'demo');
      await logRows(
        admin,
        project,
        Array.from({ length: 1200 }, (_, n) => row(n % 99, n, { id: `s${n}` })),
      );
      const answer = await ask(limited, `measures: count_distinct(id) as n | from: ${P} | sample: 100%`);
      const [{ n }] = answer['data'] as [{ n: number }];
      expect(n).toBeLessThan(1200);
      expect(answer).toMatchObject({ warnings: [{ code: 'memory_limit' }] });
    } finally {
      await btql.stop();
    }
  });

  it('hold for patterns that are made to be slow', async () => {
    const { admin } = await startDemo([row(0, 0, { input: 'a'.repeat(20_000) })]);
    const pattern = `${'%a'.repeat(2000)}%b`;
    const started = performance.now();
    expect(await column(admin, `select: id | from: ${P} | filter: input LIKE '${pattern}'`)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(10_000);
    const nested = `${'('.repeat(5000)}1${')'.repeat(5000)}`;
    expect(await refused(admin, `select: id | from: ${P} | filter: ${nested}`)).toContain(
      'more than 64 levels',
    );
    const sum = Array.from({ length: 5000 }, () => '1').join(' + ');
    expect(await refused(admin, `select: id | from: ${P} | filter: ${sum} > 1`)).toContain(
      'more than 64 levels',
    );
  });

  it('refuse queries beyond those that run and wait', async () => {
    const { admin } = await startDemo(Array.from({ length: 50 }, (_, n) => row(n)));
    const query = `select: id | from: ${P} | filter: input MATCH 'a'`;
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => send(admin, 'POST', '/btql', { query })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(await column(admin, `select: id | from: ${P} | limit: 1`)).toEqual(['s49']);
  });
});

describe('a key', () => {
  it('needs the scope logs:read', async () => {
    const admin = await startAdmin({ args: ['--admin-key=administrator-key'] });
    const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
    const wanted = { name: 'w', scopes: ['logs:write'] };
    const { text } = await send(admin, 'POST', '/v1/keys', wanted, bearer('administrator-key'));
    const { key } = JSON.parse(text) as { key: string };
    await expectRefused(admin, 401, 'POST', '/btql', { query: 'x' });
    await expectRefused(admin, 403, 'POST', '/btql', { query: 'x' }, bearer(key));
  });
});
