// What search, downloads and counts of the log routes promise, with a real record behind the door.
import { afterEach, describe, expect, it } from 'vitest';
import { changed, closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { begin, call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { HOUR_AGO, messages, ns, post, search } from '../../../kit/record.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

describe('search', () => {
  it.each(['desc', 'asc'])(
    'pages through 5,000 lines of one nanosecond without gaps or repeats (%s)',
    async (direction) => {
      const door = await startAdmin();
      const lines = Array.from({ length: 5000 }, (_, i) => ({
        timestamp: ns(HOUR_AGO, 7),
        message: `line ${i}`,
      }));
      await post(door, lines);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await search(door, { limit: '777', direction, ...(cursor ? { cursor } : {}) });
        seen.push(...messages(page));
        cursor = page.cursor;
      } while (cursor !== undefined);
      const expected = lines.map(({ message }) => message);
      expect(seen).toEqual(direction === 'asc' ? expected : expected.reverse());
    },
  );

  it('says nothing of a next page where there is none', async () => {
    const door = await startAdmin();
    await post(door, [{ message: 'a' }, { message: 'b' }]);
    expect(await search(door, { limit: '2' })).not.toHaveProperty('cursor');
    expect(await search(door, { limit: '1' })).toHaveProperty('cursor');
  });

  it('gives a record with its ids, its time to the nanosecond and what else it says', async () => {
    const door = await startAdmin();
    const requestId = '31255019cf83c4d0c7492a5006591e1f502a5';
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    await post(door, [
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
      const { logs } = await search(door, by);
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
          attributes: { gpu: 3 },
        },
      ]);
    }
  });

  it('keeps to the time, replica and level that are asked for', async () => {
    const door = await startAdmin();
    await post(door, [
      { timestamp: ns(HOUR_AGO), level: 'info', message: 'old' },
      { timestamp: ns(HOUR_AGO + 1000), level: 'error', message: 'middle' },
      { timestamp: ns(HOUR_AGO + 2000), message: 'new' },
    ]);
    await post(door, [{ timestamp: ns(HOUR_AGO + 1000), message: 'elsewhere' }], 'replica=xyz99');
    const start = new Date(HOUR_AGO + 1000).toISOString();
    expect(messages(await search(door, { start, replica: 'abc12' }))).toEqual(['new', 'middle']);
    expect(messages(await search(door, { start, end: String(HOUR_AGO + 1000), replica: 'abc12' }))).toEqual([
      'middle',
    ]);
    expect(messages(await search(door, { min_level: 'DEBUG' }))).toEqual(['middle', 'old']);
    expect(messages(await search(door, { since: '2h', replica: 'xyz99' }))).toEqual(['elsewhere']);
    expect(messages(await search(door, { since: '30m' }))).toEqual([]);
    expect(messages(await search(door, { env: 'production', direction: 'asc' }))).toEqual([
      'old',
      'middle',
      'new',
    ]);
    expect(messages(await search(door, { includes: 'ddl', kind: 'line,request' }))).toEqual(['middle']);
  });

  it.each([
    ['replcia=x', /unknown parameter "replcia"; did you mean "replica"\?/],
    ['q=level%3E%3Dbogus', /q: unknown level "bogus"; .*\(at character 8\)/],
    ['q=(a', /q: unclosed parenthesis; add a closing \) \(at character 1\)/],
    ['search_pattern=(a', /search_pattern: .*expression/],
    ['since=yesterday', /since: yesterday is no time span; write 90s, 30m, 2h or 3d/],
    ['since=1h&start=2026-01-01', /since: goes back from now/],
    ['start=2026-02-30', /start: 2026-02-30 is no time/],
    ['start=2026-02-02&end=2026-02-01', /end: lies before start/],
    ['limit=0', /limit: must be a whole number from 1 to 1000/],
    ['limit=1001', /limit: must be a whole number from 1 to 1000/],
    ['cursor=abc', /cursor: is none of ours/],
    ['replica=a&replica=b', /replica is given twice/],
    ['kind=lines', /kind: lines is none; there are request, line, span/],
    ['direction=up', /direction: must be one of desc, asc/],
    ['modle_id=mdl1', /unknown parameter "modle_id"; did you mean "model_id"\?/],
    ['min_level=wran', /min_level: unknown level "wran"; did you mean "WARN"\?/],
    ['tail=10', /tail: applies only to a live tail; add follow=1/],
    ['follow=yes', /follow: must be one of 1, true, 0, false/],
    ['format=xml', /format: must be one of ndjson, csv, json/],
  ])('says what is wrong with ?%s', async (query, what) => {
    const door = await startAdmin();
    const { status, text } = await call(door.url, `/v1/logs?${query}`);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      error: expect.stringMatching(what) as string,
      error_code: 'client_error',
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
  ])('%s refuses an unknown parameter', async (path) => {
    const door = await startAdmin();
    for (const query of ['modle=x', 'since=1h&modle=x&modle=y'])
      expect(JSON.parse((await call(door.url, `${path}?${query}`)).text)).toMatchObject({
        error: expect.stringMatching(/^This cannot be asked: .*unknown parameter "modle"; /) as string,
        error_code: 'client_error',
      });
  });

  it('lists at most ten mistakes', async () => {
    const door = await startAdmin();
    const query = Array.from({ length: 500 }, (_, i) => `x${i}=1`).join('&');
    for (const path of ['/v1/logs', '/v1/models/mdl1/deployments/dep1/logs', '/v1/logs/1']) {
      const { text } = await call(door.url, `${path}?${query}`);
      const { error } = JSON.parse(text) as { error: string };
      expect(error.match(/unknown parameter/g)).toHaveLength(10);
      expect(error).toMatch(/; and 490 more$/);
    }
  });

  it('accepts the id of the model that weir serves, and refuses another one', async () => {
    const door = await startAdmin();
    await post(door, [{ message: 'here' }]);
    expect(messages(await search(door, { model_id: 'mdl1' }))).toEqual(['here']);
    const { status, text } = await call(door.url, '/v1/logs?model_id=other');
    expect([status, JSON.parse(text)]).toMatchObject([
      404,
      { error: 'There is no such target: model "other"', error_code: 'model_does_not_exist' },
    ]);
  });

  it('accepts the level names of other loggers, in upper and lower case', async () => {
    const door = await startAdmin();
    await post(door, [{ message: 'w', level: 'warn' }, { message: 'i', level: 'info' }, { message: 'none' }]);
    for (const level of ['warn', 'WARN', 'Warning'])
      expect(messages(await search(door, { min_level: level }))).toEqual(['w']);
    expect(messages(await search(door, { min_level: 'trace' }))).toEqual(['i', 'w']);
    expect(messages(await search(door, { min_level: 'critical' }))).toEqual([]);
  });

  it('says that nothing is recorded where that is switched off', async () => {
    const door = await startAdmin({ wrap: () => undefined });
    for (const path of ['/v1/logs', '/v1/logs/7', '/v1/logs/hits', `/v1/traces/${'a'.repeat(32)}`]) {
      const { status, text } = await call(door.url, path);
      expect(status).toBe(404);
      expect(text).toContain('Nothing is recorded: logs.capture is off');
    }
  });

  it('stops looking as soon as its client has left', async () => {
    let asked = 0;
    const door = await startAdmin({
      // A month of records of which none matches: pages that are empty and yet not the last.
      wrap: (logs) =>
        changed(logs, {
          async page() {
            asked++;
            await new Promise((resolve) => setImmediate(resolve));
            return { records: [], next: { timeNs: 1n, seq: 1 } };
          },
        }),
    });
    const req = begin(door.url, '/v1/logs?q=nothing');
    req.on('error', () => undefined);
    req.end();
    await until('it looks, and goes on looking', () => asked > 100);
    req.destroy();
    await until('a whole other request goes by without a question', async () => {
      const before = asked;
      await call(door.url, '/livez');
      return asked === before;
    });
  });

  it('is not held up by an expression that takes others for ever', async () => {
    const door = await startAdmin();
    await post(door, [{ message: `${'a'.repeat(30_000)}!` }]);
    expect(await search(door, { search_pattern: '(a+)+$' })).toMatchObject({ logs: [] });
    expect(await search(door, { q: '/^(a|a)*$/' })).toMatchObject({ logs: [] });
  });

  it.each([
    ['内存不足', 'GPU 内存不足，请重试'],
    ['ذاكرة', 'نفدت ذاكرة الجهاز'],
  ])('finds %s', async (word, message) => {
    const door = await startAdmin();
    await post(door, [{ message }, { message: 'out of memory' }]);
    expect(messages(await search(door, { q: word }))).toEqual([message]);
  });
});
