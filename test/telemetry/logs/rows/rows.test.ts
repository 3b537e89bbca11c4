// Rows of spans that clients log: each row has one record, that of its newest version.
import { afterEach, describe, expect, it } from 'vitest';
import { fileSink, Logger } from '../../../../src/core/logger.ts';
import {
  Logs,
  projectSource,
  RecorderClient,
  rowOf,
  wholeRow,
  type LogRecord,
  type Place,
  type QueryNode,
  type RowsResult,
  type SearchPage,
  type StoredRows,
} from '../../../../src/telemetry/logs/logs.ts';
import { BLANK } from '../../../kit/records.ts';
import { folder } from '../../../kit/folder.ts';

const log = new Logger({ ...fileSink(2), write: () => undefined }, { level: 'info', isText: false });
const origin = { deployment: '', environment: '', replica: '', source: 'api' };
const PROJECT = 'p1';
const SPAN: QueryNode = { op: 'field', name: 'kind', compare: '=', value: 'span' };
const ALL = { fromNs: 0n, toNs: 2n ** 62n } as const;
const open = new Set<Logs>();

afterEach(async () => {
  for (const logs of open) await logs.stop(performance.now() + 5000);
  open.clear();
});

function start(path: string): Logs {
  const logs = new Logs(
    {
      folder: path,
      maxBytes: 2 ** 30,
      own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
      retentionMs: 86_400_000,
      maxLineBytes: 4096,
      redactsCommonSecrets: true,
      maxBodyBytes: 262_144,
      redactPatterns: [],
      files: [],
      fileOrigin: origin,
    },
    new RecorderClient({ fd: -1, isText: false }),
    log,
  );
  open.add(logs);
  return logs;
}

async function restarted(logs: Logs, path: string): Promise<Logs> {
  await logs.stop(performance.now() + 5000);
  open.delete(logs);
  return start(path);
}

const send = (logs: Logs, rows: readonly object[]): Promise<RowsResult> =>
  logs.postRows({ bytes: Buffer.from(JSON.stringify({ rows, api_version: 2 })) });

async function stored(logs: Logs, ...rows: readonly object[]): Promise<StoredRows> {
  const result = await send(logs, rows);
  if (!('ids' in result)) throw new Error(`not stored: ${JSON.stringify(result)}`);
  return result;
}

async function recordsOf(logs: Logs, node: QueryNode = SPAN): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let after: SearchPage['next']; ;) {
    const page = await logs.page({ ...ALL, node, direction: 'up', after, limit: 1000 });
    records.push(...page.records);
    if (page.next === undefined) return records;
    after = page.next;
  }
}

/** Sequence numbers of the spans that a follower gets from the beginning. */
async function followed(logs: Logs): Promise<number[]> {
  const seqs: number[] = [];
  for (let cursor: Place | undefined; ;) {
    const next = await logs.after(SPAN, cursor, 100);
    seqs.push(...next.records.map(({ seq }) => seq));
    if (next.isAtHead) return seqs;
    ({ cursor } = next);
  }
}

/** Rows without the ids of transactions. */
async function rowsOf(logs: Logs, node?: QueryNode): Promise<Record<string, unknown>[]> {
  const rows = [];
  for (const record of await recordsOf(logs, node)) {
    const { _xact_id: _, _pagination_key: __, ...row } = (await wholeRow(logs, record))!;
    rows.push(row);
  }
  return rows;
}

const base = (id: string, more: object = {}): object => ({
  id,
  project_id: PROJECT,
  log_id: 'g',
  span_id: '7a04d15d26a2ebb7',
  root_span_id: '1e2b6b4fadbba22de2f13092e4e59cd6',
  created: '2026-11-27T00:43:34.465Z',
  metrics: { start: 1795740214.465 },
  span_attributes: { name: 'root', type: 'task', exec_counter: 0 },
  _is_merge: false,
  ...more,
});
const merge = (id: string, more: object): object => ({
  id,
  project_id: PROJECT,
  log_id: 'g',
  _is_merge: true,
  ...more,
});

/** Stores so many lines, more than a block has. */
async function fillBlock(logs: Logs): Promise<void> {
  const lines = Array.from({ length: 8200 }, (_, i): LogRecord => ({ ...BLANK, message: `line ${i}` }));
  for (let i = 0; i < 4; i++) {
    const result = await logs.post(lines);
    if ('problem' in result) throw new Error(result.problem);
  }
}

/** How a row may be stored when the next one comes. */
const MOMENTS: [string, (logs: Logs, path: string) => Promise<Logs>][] = [
  ['at once', async (logs) => logs],
  ['after a restart', restarted],
  [
    'after its block was sealed',
    async (logs) => {
      await fillBlock(logs);
      return logs;
    },
  ],
  [
    'after its block was sealed and weir was started again',
    async (logs, path) => {
      await fillBlock(logs);
      return restarted(logs, path);
    },
  ],
];

describe.each(MOMENTS)('a row that is merged %s', (_, wait) => {
  it('is one record with both parts', async () => {
    const path = folder();
    let logs = start(path);
    await stored(logs, base('a', { input: { q: 'hi' }, tags: ['x'] }));
    logs = await wait(logs, path);
    const change = merge('a', {
      output: 'hello',
      scores: { Factuality: 0.8 },
      tags: ['y', 'x'],
      metrics: { end: 1795740214.664 },
    });
    await stored(logs, change);
    const [record, ...others] = await recordsOf(logs);
    expect(others).toEqual([]);
    expect(record).toMatchObject({
      source: projectSource(PROJECT),
      requestId: 'a',
      traceId: '1e2b6b4fadbba22de2f13092e4e59cd6',
      spanId: '7a04d15d26a2ebb7',
      timeNs: 1795740214465000000n,
      durationNs: 199_000_000,
      message: 'root',
    });
    expect(rowOf(record!)).toMatchObject({
      id: 'a',
      input: { q: 'hi' },
      output: 'hello',
      scores: { Factuality: 0.8 },
      tags: ['x', 'y'],
      metrics: { start: 1795740214.465, end: 1795740214.664 },
      is_root: true,
      span_parents: null,
    });
    expect(rowOf(record!)).not.toHaveProperty('_is_merge');
    const group = { node: SPAN, ...ALL, by: [], measures: [] };
    expect(await logs.group(group, { timeoutMs: 60_000 })).toMatchObject({ matched: 1 });
    expect(await followed(logs)).toEqual([record!.seq]);
  });

  it('can be deleted, and comes back as a new row', async () => {
    const path = folder();
    let logs = start(path);
    await stored(logs, base('a', { input: 1 }), base('b'));
    logs = await wait(logs, path);
    await stored(logs, { id: 'a', project_id: PROJECT, _object_delete: true });
    expect((await rowsOf(logs)).map(({ id }) => id)).toEqual(['b']);
    await stored(logs, base('a', { input: 2 }));
    expect(await rowsOf(logs)).toHaveLength(2);
  });

  it('changes nothing when it is sent again', async () => {
    const path = folder();
    let logs = start(path);
    const rows = [
      base('a', { input: 1 }),
      merge('a', { output: 2, _audit_source: 'api' }),
      { id: 'c', project_id: PROJECT, origin: { id: 'a' }, comment: { text: 'good' }, _audit_source: 'app' },
    ];
    for (const row of rows) await stored(logs, row);
    const before = await rowsOf(logs);
    expect(before).toHaveLength(1);
    expect(before[0]).toMatchObject({ comments: [{ id: 'c', comment: { text: 'good' }, source: 'app' }] });
    logs = await wait(logs, path);
    for (const row of rows) await stored(logs, row);
    expect(await rowsOf(logs)).toEqual(before);
    await stored(logs, ...rows.toReversed());
    expect(await rowsOf(logs)).toEqual(before);
  });
});

it('accepts merges before the row that they are for', async () => {
  const logs = start(folder());
  await stored(logs, merge('a', { output: 2, metrics: { end: 1795740215 } }));
  await stored(logs, base('a', { input: 1, output: null }));
  expect(await rowsOf(logs)).toMatchObject([
    {
      input: 1,
      output: 2,
      metrics: { start: 1795740214.465, end: 1795740215 },
      span_id: '7a04d15d26a2ebb7',
    },
  ]);
});

it('rejects rows that cannot be stored, and stores the others', async () => {
  const logs = start(folder());
  let deep: unknown = 1;
  for (let i = 0; i < 100; i++) deep = [deep];
  const result = await stored(
    logs,
    base('a'),
    { project_id: PROJECT },
    { id: 'x' },
    base('deep', { input: deep }),
    { id: 'e', experiment_id: 'x' },
    { id: 'c', project_id: PROJECT, comment: { text: 'of what?' } },
    7 as unknown as object,
    base('b'),
  );
  expect(result.ids).toEqual(['a', 'b']);
  expect(result.rejected.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(result.rejected.map(({ reason }) => reason).join('\n')).toMatchInlineSnapshot(`
    "id must be a text that is not empty
    project_id must be a text that is not empty
    the row has more than 64 levels of objects and lists
    rows with experiment_id are not stored, only those of projects
    a comment needs origin.id, the id of its row
    a row must be an object"
  `);
  expect(await rowsOf(logs)).toHaveLength(2);
});

it.each([
  ['not JSON', '{"rows":', /not valid JSON/],
  ['no list', '{"rows":7}', /list "rows" or "events"/],
  ['a list', '[]', /must be an object/],
  ['deep', '['.repeat(1_000_000), /not valid JSON/],
])('refuses a body that is %s', async (_, text, problem) => {
  const result = await start(folder()).postRows({ bytes: Buffer.from(text) });
  expect(result).toEqual({ invalid: expect.stringMatching(problem) as string });
});

it('makes ids for events that have none, and joins the trace of a parent', async () => {
  const logs = start(folder());
  const events = [{ input: 1 }, { id: 'child', _parent_id: 'a', input: 2 }];
  await stored(logs, base('a'));
  const result = await logs.postRows({ bytes: Buffer.from(JSON.stringify({ events })), project: PROJECT });
  expect(result).toMatchObject({ ids: [expect.stringMatching(/^[0-9a-f]{16}$/), 'child'], rejected: [] });
  const rows = await rowsOf(logs);
  expect(rows.find(({ id }) => id === 'child')).toMatchObject({
    root_span_id: '1e2b6b4fadbba22de2f13092e4e59cd6',
    span_parents: ['7a04d15d26a2ebb7'],
    is_root: false,
  });
  const made = rows.find(({ input }) => input === 1)!;
  expect(made).toMatchObject({ span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as string, is_root: true });
});

it('keeps a large row whole', async () => {
  const path = folder();
  let logs = start(path);
  const input = 'x y '.repeat(500_000);
  await stored(logs, base('a', { input, metadata: { many: Array.from({ length: 20_000 }, (_, i) => i) } }));
  await stored(logs, merge('a', { output: 'after' }));
  logs = await restarted(logs, path);
  await stored(logs, merge('a', { expected: 'later' }));
  const rows = await rowsOf(logs);
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ output: 'after', expected: 'later' });
  expect(rows[0]!['input']).toBe(input);
  expect(rows[0]!['metadata']).toEqual({ many: expect.any(Array) as unknown[] });
});

it('removes secrets, and finds rows by their members', async () => {
  const logs = start(folder());
  await stored(
    logs,
    base('a', {
      input: 'Authorization: Bearer abcdefgh12345678',
      metadata: { user_id: '1234', api_key: 'sk-aaaaaaaaaaaaaaaaaaaa' },
    }),
    base('b', { metadata: { user_id: '5' } }),
  );
  const node: QueryNode = {
    op: 'and',
    of: [SPAN, { op: 'field', name: 'metadata.user_id', compare: '=', value: '1234' }],
  };
  const rows = await rowsOf(logs, node);
  expect(rows.map(({ id }) => id)).toEqual(['a']);
  expect(JSON.stringify(rows)).not.toMatch(/abcdefgh12345678|sk-aaaa/);
});

it('keeps rows with the same id in two projects apart', async () => {
  const logs = start(folder());
  await stored(logs, base('a', { input: 1 }), base('a', { input: 2, project_id: 'p2' }));
  await stored(logs, merge('a', { output: 3, project_id: 'p2' }));
  const rows = await rowsOf(logs);
  expect(rows).toHaveLength(2);
  expect(rows.find(({ project_id: project }) => project === 'p1')).toMatchObject({ input: 1 });
  expect(rows.find(({ project_id: project }) => project === 'p2')).toMatchObject({ input: 2, output: 3 });
});

it('stores posted requests with their bodies', async () => {
  const logs = start(folder());
  const request: LogRecord = { ...BLANK, kind: 'request', source: 'api', requestId: 'r1', status: 200 };
  const body = (text: string): Uint8Array => Buffer.from(text);
  expect(
    await logs.post(
      [request, { ...request, requestId: 'r2' }],
      [{ request: body('{"a":1}'), response: body('{"api_key":"sk-aaaaaaaaaaaaaaaaaaaa"}') }, undefined],
    ),
  ).toEqual({ stored: 2 });
  const [first, second] = await recordsOf(logs, {
    op: 'field',
    name: 'kind',
    compare: '=',
    value: 'request',
  });
  const bodies = (await logs.bodies(logs.placeOf(first!)))!;
  expect(Buffer.from(bodies.request!).toString()).toBe('{"a":1}');
  expect(Buffer.from(bodies.response!).toString()).toBe('{"api_key":"[redacted]"}');
  expect(JSON.parse(first!.attributes)).toEqual({ has_bodies: true });
  expect(await logs.bodies(logs.placeOf(second!))).toBeUndefined();
});

it('answers a body with very many rows that change nothing', async () => {
  const logs = start(folder());
  const rows = Array.from(
    { length: 550_000 },
    (_, i) => `{"id":"${i}","project_id":"p","_object_delete":true}`,
  );
  const result = await logs.postRows({ bytes: Buffer.from(`{"rows":[${rows.join()}]}`) });
  expect(result).toMatchObject({ rejected: [], projects: ['p'] });
}, 60_000);

describe('records of rows', () => {
  it('are at their start, or when they were created if that is far from it', async () => {
    const logs = start(folder());
    const created = '2026-11-20T12:00:00.000Z';
    const startOf = (hours: number) => Date.parse(created) / 1000 - hours * 3600;
    await stored(
      logs,
      ...[0.5, 2, -2].map((hours) => ({
        id: `${hours}`,
        project_id: PROJECT,
        created,
        metrics: { start: startOf(hours) },
      })),
    );
    const times = (await recordsOf(logs)).map(({ requestId, timeNs }) => [
      requestId,
      new Date(Number(timeNs / 1_000_000n)).toISOString(),
    ]);
    expect(Object.fromEntries(times)).toEqual({
      '0.5': '2026-11-20T11:30:00.000Z',
      '2': created,
      '-2': created,
    });
  });
});
