// Tests of the search of the log routes, with a real log store.
import { afterEach, describe, expect, it } from 'vitest';
import { withChanges, closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { begin, call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { HOUR_AGO, messages, ns, post, search } from '../../../kit/log-api.ts';
import type { Place } from '../../../../src/telemetry/logs/logs.ts';
import { BLANK } from '../../../kit/records.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

describe('GET /v1/logs', () => {
  it.each(['desc', 'asc'])(
    'pages through 5,000 lines of one nanosecond without gaps or repeats (%s)',
    async (direction) => {
      const server = await startAdmin();
      const lines = Array.from({ length: 5000 }, (_, i) => ({
        timestamp: ns(HOUR_AGO, 7),
        message: `line ${i}`,
      }));
      await post(server, lines);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await search(server, { limit: '777', direction, ...(cursor ? { cursor } : {}) });
        seen.push(...messages(page));
        cursor = page.cursor;
      } while (cursor !== undefined);
      const expected = lines.map(({ message }) => message);
      expect(seen).toEqual(direction === 'asc' ? expected : expected.reverse());
    },
  );

  it('returns a cursor only if there is a next page', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'a' }, { message: 'b' }]);
    expect(await search(server, { limit: '2' })).not.toHaveProperty('cursor');
    expect(await search(server, { limit: '1' })).toHaveProperty('cursor');
  });

  it('returns a record with its ids, its time to the nanosecond and its attributes', async () => {
    const server = await startAdmin();
    const requestId = '31255019cf83c4d0c7492a5006591e1f502a5';
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    await post(server, [
      {
        timestamp: ns(HOUR_AGO, 123_456),
        levelname: 'WARNING',
        message: 'slow',
        request_id: requestId,
        trace_id: traceId,
        gpu: 3,
      },
    ]);
    for (const by of [
      { request_id: requestId },
      { trace_id: traceId.toUpperCase() },
      { q: `requestId:${requestId} level>=warn gpu:3` },
    ]) {
      const { logs } = await search(server, by);
      expect(logs).toEqual([
        {
          timestamp: new Date(HOUR_AGO).toISOString().replace('Z', '123456Z'),
          timestamp_ns: ns(HOUR_AGO, 123_456),
          seq: expect.any(Number) as number,
          kind: 'line',
          level: 'WARN',
          message: 'slow',
          request_id: requestId,
          trace_id: traceId,
          deployment: 'dep1',
          environment: 'production',
          replica: 'abc12',
          source: 'api',
          pod: 'pod1-0a1b2c3d',
          model_id: 'mdl1',
          attributes: { gpu: 3 },
        },
      ]);
    }
  });

  it('filters by time, replica and level', async () => {
    const server = await startAdmin();
    await post(server, [
      { timestamp: ns(HOUR_AGO), level: 'info', message: 'old' },
      { timestamp: ns(HOUR_AGO + 1000), level: 'error', message: 'middle' },
      { timestamp: ns(HOUR_AGO + 2000), message: 'new' },
    ]);
    await post(server, [{ timestamp: ns(HOUR_AGO + 1000), message: 'elsewhere' }], 'replica=xyz99');
    const start = new Date(HOUR_AGO + 1000).toISOString();
    expect(messages(await search(server, { start, replica: 'abc12' }))).toEqual(['new', 'middle']);
    expect(messages(await search(server, { start, end: String(HOUR_AGO + 1000), replica: 'abc12' }))).toEqual(
      ['middle'],
    );
    expect(messages(await search(server, { min_level: 'DEBUG' }))).toEqual(['middle', 'old']);
    expect(messages(await search(server, { since: '2h', replica: 'xyz99' }))).toEqual(['elsewhere']);
    expect(messages(await search(server, { since: '30m' }))).toEqual([]);
    expect(messages(await search(server, { env: 'production', direction: 'asc' }))).toEqual([
      'old',
      'middle',
      'new',
    ]);
    expect(messages(await search(server, { includes: 'ddl', kind: 'line,request' }))).toEqual(['middle']);
  });

  it.each([
    ['replcia=x', /unknown parameter "replcia"; did you mean "replica"\?/],
    ['q=level%3E%3Dbogus', /^Invalid query: q at character 8: unknown level "bogus"; /],
    ['q=(a', /q at character 1: unclosed parenthesis; add a closing \)$/],
    ['search_pattern=(a', /search_pattern: .*expression/],
    ['since=yesterday', /since: invalid duration "yesterday"; write 500ms, 30s, 1h30m or 7d/],
    ['since=1h&start=2026-01-01', /since: cannot be combined with start or end/],
    ['start=2026-02-30', /start: invalid time "2026-02-30"; write 2026-11-20T16:52:26Z/],
    ['start=2026-02-02&end=2026-02-01', /end: must not be before start/],
    ['limit=0', /limit: must be a whole number from 1 to 1000/],
    ['limit=1001', /limit: must be a whole number from 1 to 1000/],
    ['cursor=abc', /invalid cursor: it was not issued by this server, or it has expired/],
    ['replica=a&replica=b', /replica is given more than once/],
    ['kind=lines', /kind: unknown kind "lines"; known kinds: request, line, span/],
    ['direction=up', /direction: must be one of desc, asc/],
    ['modle_id=mdl1', /unknown parameter "modle_id"; did you mean "model_id"\?/],
    ['min_level=wran', /min_level: unknown level "wran"; did you mean "WARN"\?/],
    ['tail=10', /tail: applies only to a live tail; add follow=1/],
    ['follow=yes', /follow: must be one of 1, true, 0, false/],
    ['format=xml', /format: must be one of ndjson, csv, json/],
  ])('rejects ?%s with the reason', async (query, what) => {
    const server = await startAdmin();
    const { status, text } = await call(server.url, `/v1/logs?${query}`);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      error: expect.stringMatching(what) as string,
      error_code: 'client_error',
    });
  });

  it('tells the place and the suggestion of each problem of a query', async () => {
    const server = await startAdmin();
    const query = new URLSearchParams({ q: 'level:wran (kind:requets', since: 'x', modle: 'y' });
    for (const path of ['/v1/logs', '/v1/logs/hits', '/v1/logs/fields']) {
      const { text } = await call(server.url, `${path}?${query.toString()}`);
      expect(JSON.parse(text)).toMatchObject({
        error: expect.stringMatching(/; q at character 7: unknown level "wran"; /) as string,
        problems: [
          { problem: expect.stringMatching(/^unknown parameter "modle"/) as string },
          {
            param: 'q',
            problem: expect.stringMatching(/^unknown level/) as string,
            at: 6,
            length: 4,
            suggestion: 'warn',
          },
          { param: 'q', problem: 'unclosed parenthesis; add a closing )', at: 11, length: 1 },
          { param: 'q', at: 17, length: 7, suggestion: 'request' },
          { param: 'since', problem: expect.stringMatching(/^invalid duration "x"/) as string },
        ],
      });
    }
    const { text } = await call(server.url, '/v1/series', {
      method: 'POST',
      body: JSON.stringify({ q: 'level:wran', measures: ['requests'] }),
      headers: { 'content-type': 'application/json' },
    });
    expect(JSON.parse(text)).toMatchObject({
      problems: [{ param: 'q', at: 6, length: 4, suggestion: 'warn' }],
    });
  });

  it('tells the place and the suggestion of each hint', async () => {
    const server = await startAdmin();
    expect(await search(server, { q: 'a or lvel:warn' })).toEqual({
      logs: [],
      hints: [
        { text: '"or" is searched as a word; the operator is OR', at: 2, length: 2, suggestion: 'OR' },
        {
          text: expect.stringContaining('did you mean the field "level"?'),
          at: 5,
          length: 4,
          suggestion: 'level',
        },
      ],
    });
  });

  it.each([
    '/v1/logs/hits',
    '/v1/logs/fields',
    '/v1/logs/fields/level/values',
    '/v1/logs/1',
    '/v1/logs/1/context',
    `/v1/traces/${'a'.repeat(32)}`,
    '/v1/models/mdl1/deployments/dep1/logs',
    '/v1/models/mdl1/environments/production/logs',
  ])('rejects an unknown parameter of %s', async (path) => {
    const server = await startAdmin();
    for (const query of ['modle=x', 'since=1h&modle=x&modle=y'])
      expect(JSON.parse((await call(server.url, `${path}?${query}`)).text)).toMatchObject({
        error: expect.stringMatching(/^Invalid query: .*unknown parameter "modle"; /) as string,
        error_code: 'client_error',
      });
  });

  it('lists at most ten problems', async () => {
    const server = await startAdmin();
    const query = Array.from({ length: 500 }, (_, i) => `x${i}=1`).join('&');
    for (const path of ['/v1/logs', '/v1/models/mdl1/deployments/dep1/logs', '/v1/logs/1']) {
      const { text } = await call(server.url, `${path}?${query}`);
      const { error } = JSON.parse(text) as { error: string };
      expect(error.match(/unknown parameter/g)).toHaveLength(10);
      expect(error).toMatch(/; and 490 more$/);
    }
  });

  it('accepts the id of the served model and rejects another one', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'here' }]);
    expect(messages(await search(server, { model_id: 'mdl1' }))).toEqual(['here']);
    const { status, text } = await call(server.url, '/v1/logs?model_id=other');
    expect([status, JSON.parse(text)]).toMatchObject([
      404,
      { error: 'No such target: model "other"', error_code: 'model_does_not_exist' },
    ]);
  });

  it('accepts the level names of other loggers, in upper and lower case', async () => {
    const server = await startAdmin();
    await post(server, [
      { message: 'w', level: 'warn' },
      { message: 'i', level: 'info' },
      { message: 'none' },
    ]);
    for (const level of ['warn', 'WARN', 'Warning'])
      expect(messages(await search(server, { min_level: level }))).toEqual(['w']);
    expect(messages(await search(server, { min_level: 'trace' }))).toEqual(['i', 'w']);
    expect(messages(await search(server, { min_level: 'critical' }))).toEqual([]);
  });

  it.each(['csv', 'ndjson', 'json'])(
    'answers HEAD of a download as %s with the headers of the GET',
    async (format) => {
      const server = await startAdmin();
      await post(server, [{ message: 'here' }]);
      const path = `/v1/logs?format=${format}`;
      const [head, get] = [await call(server.url, path, { method: 'HEAD' }), await call(server.url, path)];
      expect([head.status, head.text]).toEqual([200, '']);
      const shown = (headers: typeof get.headers) => ({
        ...headers,
        date: '',
        'content-disposition': headers['content-disposition']!.replace(/\d/g, ''),
      });
      expect(shown(head.headers)).toEqual(shown(get.headers));
    },
  );

  it('returns 404 if logs.capture is off', async () => {
    const server = await startAdmin({ wrap: () => undefined });
    for (const path of ['/v1/logs', '/v1/logs/7', '/v1/logs/hits', `/v1/traces/${'a'.repeat(32)}`]) {
      const { status, text } = await call(server.url, path);
      expect(status).toBe(404);
      expect(text).toContain('Nothing is recorded, since logs.capture is off');
    }
  });

  it('shows the pod and the model of a record, as JSON and as CSV', async () => {
    const record = { ...BLANK, message: 'x', pod: 'llama-0-0a1b2c3d', modelId: 'mdl9' };
    const server = await startAdmin({
      wrap: (logs) => withChanges(logs, { page: async () => ({ records: [record], next: undefined }) }),
    });
    expect((await search(server, {})).logs).toMatchObject([{ pod: record.pod, model_id: record.modelId }]);
    const { text } = await call(server.url, '/v1/logs?format=csv');
    const [head, row] = text.split('\r\n').map((line) => line.split(','));
    expect(['pod', 'model_id'].map((name) => row![head!.indexOf(name)])).toEqual([
      record.pod,
      record.modelId,
    ]);
  });

  it('stops a search when its client has left', async () => {
    let queries = 0;
    const server = await startAdmin({
      // Empty pages that are not the last one, as for a search without matches.
      wrap: (logs) =>
        withChanges(logs, {
          async page() {
            queries++;
            await new Promise((resolve) => setImmediate(resolve));
            return { records: [], next: { timeNs: 1n, place: '1' as Place } };
          },
        }),
    });
    const req = begin(server.url, '/v1/logs?q=nothing');
    req.on('error', () => undefined);
    req.end();
    await until('the search runs', () => queries > 100);
    req.destroy();
    await until('no further query is made', async () => {
      const before = queries;
      await call(server.url, '/livez');
      return queries === before;
    });
  });

  it('is fast for expressions that need exponential time elsewhere', async () => {
    const server = await startAdmin();
    await post(server, [{ message: `${'a'.repeat(30_000)}!` }]);
    expect(await search(server, { search_pattern: '(a+)+$' })).toMatchObject({ logs: [] });
    expect(await search(server, { q: '/^(a|a)*$/' })).toMatchObject({ logs: [] });
  });

  it.each([
    ['内存不足', 'GPU 内存不足，请重试'],
    ['ذاكرة', 'نفدت ذاكرة الجهاز'],
  ])('finds %s', async (word, message) => {
    const server = await startAdmin();
    await post(server, [{ message }, { message: 'out of memory' }]);
    expect(messages(await search(server, { q: word }))).toEqual([message]);
  });
});
