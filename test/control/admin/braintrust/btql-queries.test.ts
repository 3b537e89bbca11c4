// The queries that Braintrust's documents, users and clients write, with their answers over a small project.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { projectId, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { ask, column, logRows, rowsOf } from '../../../kit/btql-api.ts';
import { removeFolders } from '../../../kit/folder.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const TODAY = Math.floor(Date.now() / DAY) * DAY;
/** Begin of an hour of yesterday. */
const YESTERDAY = TODAY - DAY + 2 * HOUR;
const TWO_DAYS = TODAY - 2 * DAY;
const iso = (ms: number): string => new Date(ms).toISOString();
const short = (ms: number): string => iso(ms).replace('.000Z', 'Z');
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const TRACE_1 = hex(1, 32);
const TRACE_2 = hex(2, 32);

let admin: OpenAdmin;
let project: string;
/** `project_logs('demo')`, by name. */
const P = "project_logs('demo')";

const row = (id: string, trace: string, span: number, ms: number, more: ApiObject): ApiObject => ({
  id,
  span_id: hex(span, 16),
  root_span_id: trace,
  created: iso(ms),
  ...more,
  metrics: { start: ms / 1000, end: ms / 1000 + 0.1, ...(more['metrics'] as object) },
});

beforeAll(async () => {
  admin = await startAdmin();
  project = await projectId(admin, 'demo');
  await logRows(admin, project, [
    // A trace of yesterday: a root, a call of a model, and a tool that failed.
    row('r1', TRACE_1, 1, YESTERDAY, {
      span_attributes: { name: 'prompt:answer', type: 'task' },
      input: { prompt: 'What is recursion?' },
      output: 'hello',
      scores: { Factuality: 0.8 },
      metadata: { user_id: '1234', model: 'm', config: { results: [{ score: 1 }, { score: 3 }] } },
      tags: ['triage', 'production'],
      metrics: { tokens: 12 },
    }),
    row('l1', TRACE_1, 2, YESTERDAY + 1000, {
      span_parents: [hex(1, 16)],
      span_attributes: { name: 'Chat Completion', type: 'llm' },
      input: [{ role: 'user', content: 'recursion' }],
      metadata: { model: 'm' },
      metrics: { prompt_tokens: 20, completion_tokens: 10, estimated_cost: 0.001 },
    }),
    row('t1', TRACE_1, 3, YESTERDAY + 2000, {
      span_parents: [hex(1, 16)],
      span_attributes: { name: 'retrieve', type: 'tool' },
      error: 'no such document',
      metadata: { model: 'm', endpoint: '/search' },
    }),
    // A trace of today, by another user.
    row('r2', TRACE_2, 4, TODAY + 1, {
      span_attributes: { name: 'answer', type: 'task' },
      input: 'hi',
      scores: { Factuality: 0.4 },
      metadata: { user_id: '99', model: 'n' },
      tags: ['resolved'],
    }),
    row('l2', TRACE_2, 5, TODAY + 2, {
      span_parents: [hex(4, 16)],
      span_attributes: { name: 'Chat Completion', type: 'llm' },
      metadata: { model: 'n', user_id: '99' },
      metrics: { prompt_tokens: 10, completion_tokens: 5, estimated_cost: 0.003 },
    }),
    // A trace that is two days old.
    row('r0', hex(3, 32), 6, TWO_DAYS + HOUR, {
      span_attributes: { name: 'old', type: 'task' },
      metadata: { user_id: '1234', model: 'm' },
    }),
  ]);
});

afterAll(async () => {
  await closeAdmins();
  removeFolders();
});

describe('the filters of the documents', () => {
  it('find rows that are older than the past day', async () => {
    expect(
      await column(admin, `select: * | from: ${P} | filter: created < CURRENT_DATE - INTERVAL 1 DAY`),
    ).toEqual(['r0']);
  });

  it('find the rows of a user', async () => {
    expect(await column(admin, `SELECT * FROM ${P} WHERE metadata.user_id = '1234'`)).toEqual(['r1', 'r0']);
  });

  it('find rows with a high score', async () => {
    const query = `select: id, scores.Factuality | from: ${P} | filter: scores.Factuality > 0.5 | sort: scores.Factuality desc | limit: 10`;
    expect(await rowsOf(admin, query)).toEqual([{ id: 'r1', 'scores.Factuality': 0.8 }]);
  });

  it('find rows with a tag, in each spelling', async () => {
    for (const condition of ["tags includes 'triage'", "tags CONTAINS 'triage'", "tags IN ('triage')"])
      expect(await column(admin, `select: * | from: ${P} | filter: ${condition}`)).toEqual(['r1']);
  });
});

describe('a row', () => {
  it('has the fields that Braintrust documents', async () => {
    const [row] = await rowsOf(admin, `select: * | from: ${P} | filter: id = 'r1'`);
    expect(row).toMatchObject({
      id: 'r1',
      project_id: project,
      log_id: 'g',
      is_root: true,
      root_span_id: TRACE_1,
      created: iso(YESTERDAY),
      input: { prompt: 'What is recursion?' },
      tags: ['triage', 'production'],
    });
    for (const name of ['_xact_id', '_pagination_key', 'org_id']) expect(row![name], name).toMatch(/./);
    expect(row).not.toHaveProperty('_is_merge');
  });
});

describe('groups', () => {
  const sums = [
    'sum(metrics.total_tokens) as total_tokens',
    'sum(metrics.prompt_tokens) as input_tokens',
    'sum(metrics.completion_tokens) as output_tokens',
  ].join(', ');
  const after = iso(TODAY - 2 * DAY);
  const days = [
    { time: short(TWO_DAYS), total_tokens: null, input_tokens: null, output_tokens: null },
    { time: short(TODAY - DAY), total_tokens: 42, input_tokens: 20, output_tokens: 10 },
    { time: short(TODAY), total_tokens: 15, input_tokens: 10, output_tokens: 5 },
  ];

  it('sum tokens by day, in SQL and in clauses', async () => {
    const sql = `SELECT day(created) AS time, ${sums} FROM ${P} WHERE created > '${after}' GROUP BY 1 ORDER BY time ASC`;
    expect(await rowsOf(admin, sql)).toEqual(days);
    const clauses = `dimensions: day(created) as time | measures: ${sums} | from: ${P} | filter: created > '${after}' | sort: time`;
    expect(await rowsOf(admin, clauses)).toEqual(days);
  });

  it('count by quarters of an hour', async () => {
    const query = `SELECT date_trunc('15 minutes', created) AS t, count(1) AS n FROM ${P} GROUP BY 1 ORDER BY 1 DESC`;
    expect(await rowsOf(admin, query)).toEqual([
      { t: short(TODAY), n: 2 },
      { t: short(YESTERDAY), n: 3 },
      { t: short(TWO_DAYS + HOUR), n: 1 },
    ]);
  });

  it('have percentiles and means', async () => {
    const query = `dimensions: metadata.model as model, day(created) as date
      measures: avg(scores.Factuality) as a, percentile(scores.Factuality, 0.05) as p05, percentile(scores.Factuality, 0.95) as p95, count(1) as calls
      from: ${P}
      filter: created > '2026-01-01'
      sort: date desc, model asc`;
    expect(await rowsOf(admin, query)).toEqual([
      { model: 'n', date: short(TODAY), a: 0.4, p05: 0.4, p95: 0.4, calls: 2 },
      { model: 'm', date: short(TODAY - DAY), a: 0.8, p05: 0.8, p95: 0.8, calls: 3 },
      { model: 'm', date: short(TWO_DAYS), a: null, p05: null, p95: null, calls: 1 },
    ]);
  });

  it('have rates of errors', async () => {
    const query = `dimensions: metadata.model as model, hour(created) as hour | measures: count(1) as total, count(error) as errors, count(error) / count(1) as error_rate | from: ${P} | sort: error_rate desc`;
    const [first, ...others] = await rowsOf(admin, query);
    expect(first).toEqual({ model: 'm', hour: short(YESTERDAY), total: 3, errors: 1, error_rate: 1 / 3 });
    expect(others.map((one) => one['error_rate'])).toEqual([0, 0]);
  });

  it('have a group for rows without the field', async () => {
    const query = `dimensions: metadata.endpoint as endpoint | measures: percentile(metrics.latency, 0.95) as p95, percentile(metrics.latency, 0.5) as median, count(1) as requests | from: ${P} | sort: requests desc`;
    expect(await rowsOf(admin, query)).toEqual([
      { endpoint: null, p95: 0.1, median: 0.1, requests: 5 },
      { endpoint: '/search', p95: 0.1, median: 0.1, requests: 1 },
    ]);
  });

  it('count traces without dimensions', async () => {
    const query = `from: ${P} spans | measures: count_distinct(root_span_id) as total_traces | filter: created > now() - interval 30 day`;
    expect(await rowsOf(admin, query)).toEqual([{ total_traces: 3 }]);
  });

  it('compute with aggregates', async () => {
    const query = `SELECT sum(estimated_cost()) / count_distinct(root_span_id) AS per_trace, sum(span_attributes.type = 'llm') / count_distinct(root_span_id) AS calls FROM ${P} WHERE created >= '${iso(TODAY - DAY)}'`;
    expect(await rowsOf(admin, query)).toEqual([{ per_trace: 0.002, calls: 1 }]);
  });

  it('are made of the groups of a query inside', async () => {
    const query = `SELECT u, SUM(t) AS tokens FROM (SELECT any_value(metadata.user_id) AS u, SUM(metrics.prompt_tokens) AS t FROM project_logs('demo', shape => 'traces') WHERE created >= NOW() - INTERVAL 7 DAY GROUP BY root_span_id) q GROUP BY u ORDER BY tokens DESC`;
    expect(await rowsOf(admin, query)).toEqual([
      { u: '1234', tokens: 20 },
      { u: '99', tokens: 10 },
    ]);
  });

  it('name a column without an alias as it is written', async () => {
    const query = `SELECT span_attributes.name AS tool, count(*) FROM ${P} WHERE span_attributes.type = 'tool' AND created > now() - interval '7 days' GROUP BY 1 ORDER BY 2 DESC`;
    expect(await rowsOf(admin, query)).toEqual([{ tool: 'retrieve', 'count(*)': 1 }]);
  });
});

describe('pivot and unpivot', () => {
  it('compare models by day', async () => {
    const query = `dimensions: day(created) as date, metadata.model as model | measures: count(1) as calls, avg(scores.Factuality) as avg_factuality | from: ${P} | filter: created >= '${iso(TODAY - DAY)}' | pivot: calls, avg_factuality | sort: date`;
    expect(await rowsOf(admin, query)).toEqual([
      { date: short(TODAY - DAY), m_calls: 3, m_avg_factuality: 0.8, n_calls: null, n_avg_factuality: null },
      { date: short(TODAY), m_calls: null, m_avg_factuality: null, n_calls: 2, n_avg_factuality: 0.4 },
    ]);
  });

  it('read scores without their names', async () => {
    const sql = `SELECT id, score, value FROM ${P} UNPIVOT (value FOR score IN (scores))`;
    const clauses = `select: id, score, value | from: ${P} | unpivot: scores as (score, value)`;
    const rows = [
      { id: 'r2', score: 'Factuality', value: 0.4 },
      { id: 'r1', score: 'Factuality', value: 0.8 },
    ];
    expect(await rowsOf(admin, sql)).toEqual(rows);
    expect(await rowsOf(admin, clauses)).toEqual(rows);
  });

  it('are understood as a tree of the SDK', async () => {
    const ident = (name: string) => ({ op: 'ident', name: [name] });
    const query = {
      dimensions: [{ expr: ident('tag'), alias: 'tag' }],
      measures: [{ expr: { op: 'function', name: ident('count'), args: [{ op: 'star' }] }, alias: 'n' }],
      pivot: [{ expr: ident('n'), alias: 'n' }],
      unpivot: [{ expr: ident('tags'), alias: 'tag' }],
      from: { op: 'function', name: ident('project_logs'), args: [{ op: 'literal', value: 'demo' }] },
    };
    expect(await rowsOf(admin, query)).toEqual([{ production_n: 1, resolved_n: 1, triage_n: 1 }]);
  });
});

describe('estimated_cost()', () => {
  const OTHER = "project_logs('priced')";
  const cost = `SELECT id, estimated_cost() AS cost FROM ${OTHER}`;
  const priced = (prices: object[]): Promise<ApiObject> => sent(admin, 'PUT', '/v1/prices', { prices });

  it('is the stored cost, and what the tokens cost by the prices', async () => {
    await logRows(admin, await projectId(admin, 'priced'), [
      row('c1', hex(8, 32), 8, TODAY, {
        metadata: { model: 'big-1' },
        metrics: { prompt_tokens: 1000, completion_tokens: 500, prompt_cached_tokens: 400 },
      }),
      row('c2', hex(9, 32), 9, TODAY, {
        metadata: { model: 'big-1' },
        metrics: { prompt_tokens: 1000, completion_tokens: 500, estimated_cost: 7 },
      }),
      row('c3', hex(10, 32), 10, TODAY, {
        metadata: { model: 'big-1' },
        metrics: { prompt_tokens: 1000 },
      }),
    ]);
    const ofPriced = `${cost} ORDER BY id`;
    expect(await rowsOf(admin, ofPriced)).toEqual([
      { id: 'c1', cost: null },
      { id: 'c2', cost: 7 },
      { id: 'c3', cost: null },
    ]);
    await priced([{ model: 'big*', input: 10, cached: 1, output: 20 }]);
    const ofTokens = (600 * 10 + 400 * 1 + 500 * 20) / 1e6;
    expect(await rowsOf(admin, ofPriced)).toEqual([
      { id: 'c1', cost: ofTokens },
      { id: 'c2', cost: 7 },
      { id: 'c3', cost: null },
    ]);
    const sum = `measures: sum(estimated_cost()) as cost | from: ${OTHER}`;
    expect(await rowsOf(admin, sum)).toEqual([{ cost: 7 + ofTokens }]);
    expect(await rowsOf(admin, `${sum} | sample: 100%`)).toEqual([{ cost: 7 + ofTokens }]);
    const inside = `SELECT sum(c) AS cost FROM (SELECT estimated_cost() AS c FROM ${OTHER}) q`;
    expect(await rowsOf(admin, inside)).toEqual([{ cost: 7 + ofTokens }]);
  });

  it('uses the price of the time of the span, and stored costs in summaries', async () => {
    await priced([
      { model: 'big-1', input: 1, output: 1 },
      { model: 'big-1', input: 5, output: 5, valid_from: iso(TODAY + DAY) },
    ]);
    expect(await rowsOf(admin, `${cost} WHERE id = 'c1'`)).toEqual([{ id: 'c1', cost: 1500 / 1e6 }]);
    const summary = `select: estimated_cost() as cost | from: ${OTHER} summary | filter: id = 'c1'`;
    expect(await rowsOf(admin, summary)).toEqual([{ cost: null }]);
    await priced([]);
  });
});

describe('SQL', () => {
  it('lists the different values of columns', async () => {
    const query = `SELECT DISTINCT metadata.user_id AS u, metadata.model FROM ${P} WHERE is_root ORDER BY u`;
    expect(await rowsOf(admin, query)).toEqual([
      { u: '1234', 'metadata.model': 'm' },
      { u: '99', 'metadata.model': 'n' },
    ]);
  });

  it('reads a query of WITH', async () => {
    const query = `WITH per_trace AS (SELECT any_value(metadata.user_id) AS u, sum(metrics.prompt_tokens) AS t FROM ${P} GROUP BY root_span_id) SELECT u, sum(t) AS tokens FROM per_trace AS p GROUP BY u ORDER BY tokens DESC`;
    expect(await rowsOf(admin, query)).toEqual([
      { u: '1234', tokens: 20 },
      { u: '99', tokens: 10 },
    ]);
  });
});

describe('rows', () => {
  it('are sorted by a score', async () => {
    const query = `SELECT * FROM ${P} WHERE metadata.model IN ('m','n') AND scores.Factuality IS NOT NULL AND created > now() - interval 7 day ORDER BY scores.Factuality DESC LIMIT 500`;
    expect(await column(admin, query)).toEqual(['r1', 'r2']);
  });

  it('have values that are computed', async () => {
    const query = `select: (scores.Factuality > 0.9 ? "excellent" : scores.Factuality > 0.7 ? "good" : "poor") as rating, round(scores.Factuality, 2) as s | from: ${P} | filter: scores.Factuality is not null`;
    expect(await rowsOf(admin, query)).toEqual([
      { rating: 'poor', s: 0.4 },
      { rating: 'good', s: 0.8 },
    ]);
  });

  it('have values from inside JSON', async () => {
    const query = `select: id, json_extract(metadata.config, 'results[-1].score') as last | from: ${P} | filter: id = 'r1'`;
    expect(await rowsOf(admin, query)).toEqual([{ id: 'r1', last: 3 }]);
    const path = `select: metadata.config.results[-1].score as last | from: ${P} | filter: id = 'r1'`;
    expect(await rowsOf(admin, path)).toEqual([{ last: 3 }]);
  });

  it('are found by words, and without a tag', async () => {
    const query = `select: * | from: ${P} | filter: input MATCH 'Recursion' and NOT tags includes 'resolved'`;
    expect(await column(admin, query)).toEqual(['l1', 'r1']);
    expect(await column(admin, `${query} | sample: 100%`)).toEqual(['l1', 'r1']);
  });

  it('are found by the begin of a text', async () => {
    const query = `SELECT created, input.prompt AS request, metrics.tokens AS tokens FROM ${P} WHERE is_root = true AND span_attributes.name LIKE 'prompt:%' ORDER BY created DESC LIMIT 50`;
    expect(await rowsOf(admin, query)).toEqual([
      { created: iso(YESTERDAY), request: 'What is recursion?', tokens: 12 },
    ]);
  });
});

describe('traces', () => {
  it('have all spans of a trace with a match', async () => {
    expect(await column(admin, `select: * | from: ${P} traces | filter: error IS NOT NULL`)).toEqual([
      't1',
      'l1',
      'r1',
    ]);
  });

  it('may meet conditions with several spans', async () => {
    const both = "any_span(tags includes 'production') and any_span(error IS NOT NULL)";
    expect(await column(admin, `select: * | from: ${P} traces | filter: ${both}`)).toEqual([
      't1',
      'l1',
      'r1',
    ]);
    const sameSpan = "tags includes 'production' and error IS NOT NULL";
    expect(await column(admin, `select: * | from: ${P} traces | filter: ${sameSpan}`)).toEqual([]);
  });
});

describe('summaries', () => {
  it('have one row for each trace', async () => {
    const rows = await rowsOf(admin, `select: * | from: ${P} summary | preview_length: 1024 | limit: 10`);
    expect(rows.map(({ id }) => id)).toEqual(['r2', 'r1', 'r0']);
    expect(rows[1]).toMatchObject({
      root_span_id: TRACE_1,
      scores: { Factuality: 0.8 },
      tags: ['triage', 'production'],
      metrics: {
        prompt_tokens: 20,
        completion_tokens: 10,
        total_tokens: 42,
        estimated_cost: 0.001,
        llm_calls: 1,
        tool_calls: 1,
        errors: 1,
        llm_errors: 0,
        tool_errors: 1,
        duration: 0.1,
      },
      span_type_info: { name: 'prompt:answer', type: 'task', has_error: true },
    });
  });

  it('are grouped', async () => {
    const query = `from: ${P} summary | dimensions: metadata.model as model | measures: count(1) as traces, avg(metrics.estimated_cost) as cost, avg(scores.Factuality) as score | sort: model`;
    expect(await rowsOf(admin, query)).toEqual([
      { model: 'm', traces: 2, cost: 0.001, score: 0.8 },
      { model: 'n', traces: 1, cost: 0.003, score: 0.4 },
    ]);
  });
});

describe('an answer', () => {
  it('has the types of its columns', async () => {
    const { schema, cursor } = await ask(
      admin,
      `SELECT day(created) AS d, count(*) AS n, avg(metrics.tokens) AS t, any_value(metadata.model) AS m FROM ${P} GROUP BY 1`,
    );
    expect(cursor).toBeNull();
    expect(schema).toEqual({
      type: 'array',
      items: {
        type: 'object',
        properties: {
          d: { type: 'string', format: 'date-time' },
          n: { type: 'integer' },
          t: { type: 'number' },
          m: { type: 'string' },
        },
      },
    });
  });
});
