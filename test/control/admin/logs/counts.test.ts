// Tests of facets and of counts by time and field, with a real log store.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/logs.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

/** A whole minute, two hours ago. */
const MINUTE = Math.floor(Date.now() / 60_000 - 120) * 60_000;

const request = (status: number, more: Partial<LogRecord> = {}, attributes: object = {}): LogRecord => ({
  ...BLANK,
  kind: 'request',
  status,
  severity: status >= 500 ? 17 : 9,
  timeNs: BigInt(MINUTE) * 1_000_000n,
  attributes: JSON.stringify({ method: 'POST', path: '/predict', cause: 'ok', ...attributes }),
  ...more,
});

const times = (count: number, one: LogRecord): LogRecord[] => Array.from({ length: count }, () => one);

async function store({ logs }: OpenAdmin, records: readonly LogRecord[]): Promise<void> {
  expect(await logs.post(records)).not.toHaveProperty('problem');
}

async function get(server: OpenAdmin, path: string, query: Record<string, string>): Promise<unknown> {
  const { status, text } = await call(server.url, `${path}?${new URLSearchParams(query).toString()}`);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

async function expectProblems(server: OpenAdmin, path: string, problems: RegExp[]): Promise<void> {
  const { status, text } = await call(server.url, path);
  const answer = JSON.parse(text) as { problems: { param: string; problem: string }[] };
  expect([status, answer.problems.map(({ param, problem }) => `${param}: ${problem}`)]).toEqual([
    400,
    problems.map((one) => expect.stringMatching(one) as string),
  ]);
}

const facet = (field: string, counts: readonly [value: string, count: number][], more: object = {}) => ({
  field,
  values: counts.map(([value, count]) => ({ value, count })),
  others: { values: 0, count: 0 },
  missing: 0,
  is_partial: false,
  ...more,
});

const RECORDS = [
  ...times(5, request(200)),
  ...times(2, request(503, { replica: 'r9' }, { cause: 'timeout', metadata: { tier: 'gold' } })),
  request(500, { replica: 'r9' }, { cause: 'timeout', metadata: { tier: 'free' } }),
  request(404),
  request(499, {}, { cause: 'client_closed' }),
  { ...request(0), kind: 'line' as const, severity: 13, message: 'slow', attributes: '' },
];

describe('GET /v1/logs/facets', () => {
  it('counts each field without its own conditions, and statuses in classes', async () => {
    const server = await startAdmin();
    await store(server, RECORDS);
    const query = { q: 'kind:request status:5xx', fields: 'status,replica,kind,metadata.tier,level' };
    expect(await get(server, '/v1/logs/facets', query)).toEqual({
      facets: [
        facet('status', [
          ['2xx', 5],
          ['5xx', 3],
          ['499', 1],
          ['4xx', 1],
        ]),
        facet('replica', [['r9', 3]]),
        facet('kind', [['request', 3]]),
        facet('metadata.tier', [
          ['gold', 2],
          ['free', 1],
        ]),
        facet('level', [['ERROR', 3]]),
      ],
    });
  });

  it('leaves out conditions of parameters too', async () => {
    const server = await startAdmin();
    await store(server, RECORDS);
    const query = { kind: 'line', min_level: 'ERROR', replica: 'r9', fields: 'kind,level,replica' };
    expect(await get(server, '/v1/logs/facets', query)).toEqual({
      facets: [facet('kind', [['request', 3]]), facet('level', []), facet('replica', [])],
    });
  });

  it('counts level, status, kind, replica and cause without fields, and the rest behind the top', async () => {
    const server = await startAdmin();
    await store(server, RECORDS);
    expect(await get(server, '/v1/logs/facets', { top: '1' })).toEqual({
      facets: [
        facet('level', [['INFO', 7]], { others: { values: 2, count: 4 } }),
        facet('status', [['2xx', 5]], { others: { values: 3, count: 5 }, missing: 1 }),
        facet('kind', [['request', 10]], { others: { values: 1, count: 1 } }),
        facet('replica', [['abc12', 8]], { others: { values: 1, count: 3 } }),
        facet('cause', [['ok', 6]], { others: { values: 2, count: 4 }, missing: 1 }),
      ],
    });
  });

  it('marks each facet that was not read to its end', async () => {
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          group: async (query, limits) => ({
            ...(await logs.group(query, limits)),
            isPartial: query.by.some((key) => 'field' in key && key.field === 'metadata.tier'),
          }),
        }),
    });
    await store(server, RECORDS);
    const answer = await get(server, '/v1/logs/facets', { fields: 'kind,metadata.tier' });
    expect(answer).toMatchObject({ facets: [{ is_partial: false }, { is_partial: true }] });
  });

  it('reads fields of few values together, and apart if together they have too many', async () => {
    const asked: string[][] = [];
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          group: async (query, limits) => {
            asked.push(query.by.map((key) => ('field' in key ? key.field : '')));
            const result = await logs.group(query, limits);
            return query.by.length > 1 && asked.length > 3 ? { ...result, others: 1 } : result;
          },
        }),
    });
    await store(server, RECORDS);
    const query = { q: 'replica:r9', fields: 'level,replica,metadata.tier,status' };
    const answer = await get(server, '/v1/logs/facets', query);
    expect(asked.splice(0, 3)).toEqual([['level', 'status'], ['replica'], ['metadata.tier']]);
    asked.push([], [], []);
    expect(await get(server, '/v1/logs/facets', query)).toEqual(answer);
    expect(asked.slice(3)).toEqual([
      ['level', 'status'],
      ['replica'],
      ['metadata.tier'],
      ['level'],
      ['status'],
    ]);
  });

  it('counts a field under each of its names', async () => {
    const server = await startAdmin();
    await store(server, RECORDS);
    const fields = 'level,severity,status,statusCode,kind,replica,env,environment,deployment,source,cause';
    const { facets } = (await get(server, '/v1/logs/facets', { fields })) as { facets: { field: string }[] };
    expect(facets.map(({ field }) => field).join(',')).toBe(fields);
    expect(facets[1]).toEqual({ ...facets[0], field: 'severity' });
  });

  it('names what is wrong with its parameters', async () => {
    const server = await startAdmin();
    await expectProblems(server, '/v1/logs/facets?fields=message,level,&top=0', [
      /^fields: the values of "message" cannot be counted; /,
      /^fields: the values of "" cannot be counted/,
      /^top: must be a whole number from 1 to 100/,
    ]);
    const many = Array.from({ length: 21 }, (_, i) => `x${i}`).join(',');
    await expectProblems(server, `/v1/logs/facets?fields=${many}`, [/^fields: at most 20 fields, not 21/]);
  });
});

describe('GET /v1/logs/hits', () => {
  const at = (minutes: number) => new Date(MINUTE + minutes * 60_000).toISOString();
  const ofMinute = (minutes: number) => ({ timeNs: BigInt(MINUTE + minutes * 60_000) * 1_000_000n });
  const records = [
    ...times(3, request(200)),
    request(503),
    request(404),
    ...times(2, request(200, ofMinute(1))),
    { ...request(0, ofMinute(1)), kind: 'line' as const },
    // An hour before.
    ...times(4, request(200, ofMinute(-60))),
    request(503, ofMinute(-59)),
    request(404, ofMinute(-59)),
  ];
  const span = { start: at(0), end: new Date(MINUTE + 119_999).toISOString(), step: '1m' };

  it('counts by the classes of statuses, the most frequent in each step', async () => {
    const server = await startAdmin();
    await store(server, records);
    expect(await get(server, '/v1/logs/hits', { ...span, by: 'status', top: '2' })).toMatchObject({
      step_ms: 60_000,
      by: 'status',
      values: ['2xx', '4xx'],
      hits: [
        { timestamp: at(0), timestamp_ms: MINUTE, total: 5, values: { '2xx': 3, '4xx': 1 }, others: 1 },
        { timestamp: at(1), timestamp_ms: MINUTE + 60_000, total: 3, values: { '2xx': 2 }, missing: 1 },
      ],
      total: 8,
    });
  });

  it.each(['level', 'kind', 'cause', 'path'])('counts by %s', async (by) => {
    const server = await startAdmin();
    await store(server, records);
    const { values, hits } = (await get(server, '/v1/logs/hits', { ...span, by })) as {
      values: string[];
      hits: { values: Record<string, number>; total: number }[];
    };
    const expected = { level: 'INFO', kind: 'request', cause: 'ok', path: '/predict' }[by]!;
    expect(values[0]).toBe(expected);
    expect(hits[0]!.values[expected]).toBe(by === 'level' ? 4 : 5);
  });

  it('counts an earlier period in the same steps and values', async () => {
    const server = await startAdmin();
    await store(server, records);
    const query = { ...span, by: 'status', top: '1', compare: '1h' };
    expect(await get(server, '/v1/logs/hits', query)).toMatchObject({
      total: 8,
      before: {
        offset_ms: 3_600_000,
        start: expect.stringContaining(at(-60).slice(0, 19)),
        hits: [
          { timestamp_ms: MINUTE - 3_600_000, total: 4, values: { '2xx': 4 } },
          { timestamp_ms: MINUTE - 3_540_000, total: 2, values: {}, others: 2 },
        ],
        total: 6,
      },
    });
    expect(await get(server, '/v1/logs/hits', { ...span, compare: '1h' })).toMatchObject({
      hits: [{ levels: { INFO: 4, ERROR: 1 } }, { levels: { INFO: 3 } }],
      before: { hits: [{ levels: { INFO: 4 } }, { levels: { INFO: 1, ERROR: 1 } }] },
    });
  });

  it('names what is wrong with its parameters', async () => {
    const server = await startAdmin();
    const path = '/v1/logs/hits?since=1h&step=1m';
    await expectProblems(server, `${path}&by=message&top=51`, [
      /^by: the values of "message" cannot be counted/,
      /^top: must be a whole number from 1 to 50/,
    ]);
    await expectProblems(server, `${path}&top=5`, [/^top: applies only with by/]);
    await expectProblems(server, `${path}&compare=90s`, [/^compare: must be a multiple of the step/]);
    await expectProblems(server, `${path}&compare=0`, [/^compare: invalid duration "0"/]);
    await expectProblems(server, `${path}&compare=40000d`, [/^compare: .*before 1970/]);
    await expectProblems(server, '/v1/logs/hits?step=999999999999d', [/^step: must be at most 10000d/]);
    await expectProblems(server, '/v1/logs/hits?step=x&compare=y', [/^step: invalid duration "x"/]);
  });
});
