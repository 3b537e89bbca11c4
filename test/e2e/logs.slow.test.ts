// Logs with the real binary: one request found everywhere by its ids, and the command weir logs.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { HOUR_AGO, ns, post, search } from '../kit/log-api.ts';
import { Receiver, spansIn } from '../kit/otlp-receiver.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { EventClient } from '../kit/sse.ts';
import { until } from '../kit/until.ts';
import { BIN, ROOT, runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const children = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

async function start(...args: string[]): Promise<Weir> {
  const replica = await startReplica((_, res) => res.end('{}'));
  return startWeir([
    `--replica=${replica.url}`,
    `--data-dir=${folder()}`,
    '--model-id=mdl1',
    '--deployment-id=dep1',
    ...args,
  ]);
}

const adminOf = (weir: Weir) => ({ url: weir.admin });
/** Without lifecycle events, which come at any time, since these tests count the records that they store. */
const logs = (weir: Weir, ...args: string[]) =>
  runWeir(['logs', '--url', weir.admin, '--kind', 'line,request', ...args]);

it('finds a request with a traceparent everywhere by its ids, with the same times', async () => {
  // A replica that logs like Truss.
  const source = `
    const { createServer } = require('node:http');
    createServer((req, res) => {
      console.log(JSON.stringify({ levelname: 'INFO', message: 'predicting', request_id: req.headers['x-baseten-request-id'] }));
      res.end(req.headers.traceparent);
    }).listen(Number(process.argv[1]), '127.0.0.1');`;
  const free = await startReplica(() => undefined);
  await free.close();
  const [lines, spans] = [await new Receiver().start(), await new Receiver().start()];
  const weir = await startWeir(
    [
      `--replica=http://127.0.0.1:${free.port}`,
      `--data-dir=${folder()}`,
      '--model-id=mdl1',
      '--deployment-id=dep1',
      '--trace-enabled=true',
      `--export-traces-endpoint=http://127.0.0.1:${spans.port}/v1/traces`,
    ],
    { command: 'run', rest: [process.execPath, '-e', source, String(free.port)] },
  );
  await until('the replica is ready', async () => (await call(weir.admin, '/readyz')).status === 200);
  const connection = await call(weir.admin, '/v1/otel/connections', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ endpoint_url: lines.url, header_name: 'x-key', header_value: 'of-the-receiver' }),
  });
  expect(connection.status, connection.text).toBe(201);
  expect(connection.text).not.toContain('of-the-receiver');
  const tail = await new EventClient(`${weir.admin}/v1/logs?trace_id=${TRACE}`).open();
  await until('the tail has begun', () => tail.lastId !== '');

  const { stdout } = await promisify(execFile)('curl', [
    '-si',
    `${weir.url}/predict`,
    '-d{}',
    `-Htraceparent: 00-${TRACE}-00f067aa0ba902b7-01`,
  ]);
  const id = /x-baseten-request-id: (\w{37})/i.exec(stdout)![1]!;
  // The replica gets a span of weir in the client's trace.
  const [, traceAtReplica, atReplica] = /\n00-(\w{32})-(\w{16})-01\s*$/.exec(stdout)!;
  expect(traceAtReplica).toBe(TRACE);

  const found = await until('both are recorded', async () => {
    const page = await search(adminOf(weir), { request_id: id, direction: 'asc' });
    return page.logs.length === 2 && page.logs;
  });
  const [own, line] = found.toSorted(
    (a, b) => Number(b['kind'] === 'request') - Number(a['kind'] === 'request'),
  );
  expect(own).toMatchObject({
    kind: 'request',
    trace_id: TRACE,
    parent_span_id: '00f067aa0ba902b7',
    status: 200,
  });
  expect(line).toMatchObject({ kind: 'line', message: 'predicting', trace_id: TRACE, source: 'stdout' });

  await until('the tail has both', () => tail.events.length === 2);
  const byKind = new Map(tail.events.map(({ data }) => [data['kind'], data]));
  expect(byKind.get('request')).toEqual(own);
  const json = async (path: string) =>
    JSON.parse((await call(weir.admin, path)).text) as Record<string, unknown>;
  for (const name of [id, TRACE])
    expect(await json(`/v1/logs/${name}`)).toMatchObject({ ...own, _id: id, lines_count: 1 });
  expect(await json(`/v1/traces/${TRACE}`)).toMatchObject({
    spans: [
      {
        span_id: own!['span_id'],
        parent_span_id: '00f067aa0ba902b7',
        start_ns: own!['timestamp_ns'],
        children: expect.arrayContaining([expect.objectContaining({ span_id: atReplica })]) as unknown,
      },
    ],
    logs: [line],
  });
  const contract = (await json(`/v1/models/mdl1/deployments/dep1/logs?request_id=${id}`)) as {
    logs: { timestamp: string }[];
  };
  expect(new Set(contract.logs.map(({ timestamp }) => timestamp))).toEqual(
    new Set([own!['timestamp_ns'], line!['timestamp_ns']]),
  );
  const printed = await logs(weir, '--request-id', id, '-o', 'json');
  expect(printed.code).toBe(0);
  expect(JSON.parse(printed.out)).toEqual(found);

  // The receivers get both records as log lines with the request id, and the spans.
  const sent = await until('the receiver has both', () => {
    const those = lines.logs.filter(({ attributes }) =>
      attributes?.some(({ key, value }) => key === 'request_id' && value.stringValue === id),
    );
    return those.length === 2 && those;
  });
  expect(new Set(sent.map(({ timeUnixNano }) => timeUnixNano))).toEqual(
    new Set([own!['timestamp_ns'], line!['timestamp_ns']]),
  );
  expect(lines.taken[0]!.headers['x-key']).toBe('of-the-receiver');
  const made = await until('the receiver has the spans', () => {
    const all = spans.taken.flatMap((received) =>
      spansIn(received).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans)),
    );
    return all.some(({ spanId }) => spanId === own!['span_id']) && all;
  });
  expect(new Set(made.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  expect(made.find(({ spanId }) => spanId === own!['span_id'])).toMatchObject({
    parentSpanId: '00f067aa0ba902b7',
    startTimeUnixNano: own!['timestamp_ns'],
    kind: 2,
  });
  expect(made.find(({ spanId }) => spanId === atReplica)).toMatchObject({ parentSpanId: own!['span_id'] });
  // Counted when the answer of the receiver has arrived.
  await weir.expectMetric('weir_otlp_export_records_total{destination="settings-traces",result="sent"}', 1);
  await lines.stop();
  await spans.stop();
});

it('stores a prefixed traceback as one ERROR record, whether printed, read from a file, or posted', async () => {
  const traceback = `${ROOT}/test/fixtures/lines/log_vllm_tb.log`;
  const followed = `${folder({})}/model.log`;
  const source = `
    process.stderr.write(require('node:fs').readFileSync(process.argv[2]));
    require('node:http').createServer((req, res) => res.end('{}')).listen(Number(process.argv[1]), '127.0.0.1');`;
  const free = await startReplica(() => undefined);
  await free.close();
  const weir = await startWeir(
    [`--replica=http://127.0.0.1:${free.port}`, `--data-dir=${folder()}`, `--logs-files=${followed}`],
    { command: 'run', rest: [process.execPath, '-e', source, String(free.port), traceback] },
  );
  const text = readFileSync(traceback, 'utf8');
  const now = new Date().toISOString();
  // A file that exists at the start is followed from its end, which has begun when a new line is recorded.
  await until('the file is followed', async () => {
    appendFileSync(followed, 'INFO: begin\n');
    return (await search(adminOf(weir), { q: 'begin' })).logs.length > 0;
  });
  // In the format of a container runtime, with the current time.
  appendFileSync(followed, text.replaceAll(/^(?=.)/gm, `${now} stderr F `));
  await post(adminOf(weir), text, 'replica=abc12');
  const found = await until('all three are recorded', async () => {
    const { logs: records } = await search(adminOf(weir), { q: 'kind:line "EngineCore_DP0"' });
    return records.length >= 3 && records;
  });
  const message = text.trimEnd().replaceAll('\n(EngineCore_DP0 pid=77) ', '\n');
  const kept = new Map(found.map((record) => [record['source'], [record['level'], record.message]]));
  expect([found.length, kept]).toEqual([
    3,
    new Map([followed, 'api', 'stderr'].map((from) => [from, ['ERROR', message]])),
  ]);
  const ofFile = found.find((record) => record['source'] === followed)!;
  expect(ofFile['timestamp_ns']).toBe(ns(Date.parse(now)));
});

describe('weir logs', () => {
  it('prints the oldest record first, in UTC', async () => {
    const weir = await start();
    await post(adminOf(weir), [
      { timestamp: ns(HOUR_AGO), message: 'first' },
      { timestamp: ns(HOUR_AGO + 1000), message: 'second' },
    ]);
    await post(adminOf(weir), [{ timestamp: ns(HOUR_AGO + 2000), message: 'third' }], 'deployment=dep1');
    const printed = await runWeir(['logs', '--kind', 'line', '--since', '2h'], {
      WEIR_ADMIN_URL: weir.admin,
      TZ: 'Asia/Kolkata',
    });
    const at = (ms: number) => new Date(HOUR_AGO + ms).toISOString().slice(0, 19).replace('T', ' ');
    expect(printed).toEqual({
      code: 0,
      err: '',
      out: `[${at(0)}]: (abc12) first\n[${at(1000)}]: (abc12) second\n[${at(2000)}]: third\n`,
    });
    expect((await logs(weir, '--since', '2h', '--limit', '1')).out).toMatch(/third\n$/);
    expect((await logs(weir)).out).toBe('');
    const second = new Date(HOUR_AGO + 1000).toISOString();
    expect((await logs(weir, '--start', second, '--end', second)).out).toMatch(/^.*second\n$/);
  });

  it('prints all records of one request of any age', async () => {
    const weir = await start();
    await post(adminOf(weir), [{ timestamp: ns(HOUR_AGO), message: 'old', request_id: 'a'.repeat(37) }]);
    expect((await logs(weir)).out).toBe('');
    expect((await logs(weir, '--request-id', 'a'.repeat(37))).out).toMatch(/old\n$/);
    expect((await logs(weir, '--request-id', 'a'.repeat(37), '--since', '30m')).out).toBe('');
  });

  it('reports that a request is unknown, or that none of its records matches', async () => {
    const weir = await start();
    const id = (HOUR_AGO - 86_400_000).toString(16).padStart(12, '0') + 'a'.repeat(25);
    await post(adminOf(weir), [
      { timestamp: ns(HOUR_AGO - 86_400_000), message: 'a day old', level: 'info', request_id: id },
      {
        timestamp: ns(HOUR_AGO),
        message: 'earlier than its id',
        request_id: Date.now().toString(16).padStart(12, '0') + 'b'.repeat(25),
      },
    ]);
    expect(await logs(weir, '--request-id', id)).toMatchObject({
      code: 0,
      out: expect.stringContaining(`INFO  (abc12 ${id}) a day old\n`) as string,
      err: '',
    });
    const [other] = (await logs(weir, '--since', '2h', '-o', 'jsonl')).out.split('\n');
    const { request_id: wrong } = JSON.parse(other!) as { request_id: string };
    expect((await logs(weir, '--request-id', wrong)).out).toContain('earlier than its id');
    const unknown = await logs(weir, '--request-id', 'c'.repeat(37));
    expect(unknown).toMatchObject({ code: 4, out: '' });
    expect(unknown.err).toMatch(
      /^weir: no record of request c{37}; requests are recorded when they end and kept for logs.retention/,
    );
    const others = await logs(weir, '--request-id', id, '--min-level', 'error', '-o', 'json');
    expect(others).toMatchObject({ code: 0, out: '[]\n' });
    expect(others.err).toMatch(
      /^weir: request [0-9a-f]{37} has records, the first at \d{4}-.*Z, but none matches all filters\n$/,
    );
  });

  it('reports that there are more records than its limit, and accepts the flags of the contract', async () => {
    const weir = await start();
    await post(
      adminOf(weir),
      Array.from({ length: 4 }, (_, i) => ({ message: `line ${i}`, level: 'warn' })),
      'deployment=dep1',
    );
    const flags = ['--model-id', 'mdl1', '--deployment-id', 'dep1', '--since', '1h', '--kind', 'line'];
    const all = await logs(weir, ...flags);
    expect([all.code, all.err, all.out.trimEnd().split('\n').length]).toEqual([0, '', 4]);
    expect(all.out).toMatch(/^\[[-\d: ]+\]: WARN  line 0\n/);
    for (const form of ['text', 'json', 'jsonl', 'csv', 'none'])
      expect(await logs(weir, ...flags, '--limit', '3', '-o', form)).toMatchObject({
        code: 0,
        err: 'weir: showing the newest 3 records; there are more; --limit 0 shows all\n',
      });
    expect((await logs(weir, ...flags, '--limit', '4')).err).toBe('');
    expect(await logs(weir, '--model-id', 'other')).toEqual({
      code: 4,
      out: '',
      err: 'weir: No such target: model "other"\n',
    });
    const painted = await logs(weir, ...flags, '--limit', '4', '--color', 'always', '--min-level', 'WARN');
    expect(painted.out).toContain('\u001b[33mWARN \u001b[0m line 3\n');
  });

  it('prints all records with --limit 0, in every format', async () => {
    const weir = await start();
    const lines = Array.from({ length: 2500 }, (_, i) => ({ timestamp: ns(HOUR_AGO), message: `line ${i}` }));
    await post(adminOf(weir), lines);
    const all = ['--since', '2h', '--limit', '0'];
    const messages = (rows: { message: string }[]) => rows.map(({ message }) => message);
    const expected = messages(lines);
    const jsonl = await logs(weir, ...all, '-o', 'jsonl');
    expect(
      messages(
        jsonl.out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as never),
      ),
    ).toEqual(expected);
    expect(messages(JSON.parse((await logs(weir, ...all, '-o', 'json')).out) as never)).toEqual(expected);
    const whole = await fetch(`${weir.admin}/v1/logs?since=2h&format=csv&direction=asc&kind=line,request`);
    const csv = await logs(weir, ...all, '-o', 'csv');
    expect(csv.out).toBe(await whole.text());
    expect((await logs(weir, '--replica', 'nobody', '-o', 'csv')).out).toMatch(/^timestamp,[^\n]*\r\n$/);
    expect(csv.out.trimEnd().split('\r\n')).toHaveLength(2501);
    expect(await logs(weir, ...all, '-o', 'none')).toEqual({ code: 0, out: '', err: '' });
    const newest = await logs(weir, '--since', '2h', '--limit', '1200', '-o', 'jsonl');
    expect(
      messages(
        newest.out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as never),
      ),
    ).toEqual(expected.slice(-1200));
  });

  it('filters as in the contract', async () => {
    const weir = await start();
    await post(adminOf(weir), [
      { level: 'info', message: 'GPU ok' },
      { level: 'error', message: 'GPU 3 out of memory' },
    ]);
    const one = async (...args: string[]) => (await logs(weir, ...args)).out.replace(/^.*\) /, '');
    expect(await one('--min-level', 'warning')).toBe('GPU 3 out of memory\n');
    expect(await one('--includes', 'GPU', '--includes', 'ok')).toBe('GPU ok\n');
    expect(await one('--excludes', 'memory')).toBe('GPU ok\n');
    expect(await one('--search-pattern', 'GPU \\d')).toBe('GPU 3 out of memory\n');
    expect(await one('-q', '"out of memory" level:error')).toBe('GPU 3 out of memory\n');
    expect(await one('--replica', 'nobody')).toBe('');
    expect(
      await one('--environment', 'production', '--min-level', 'error', '--deployment', 'dep1'),
    ).toContain('memory');
  });

  it('exits with the exit codes of the contract', async () => {
    const weir = await start('--admin-key=a-key-of-some-length');
    const off = await start('--logs-capture=off');
    const key = ['--key', 'a-key-of-some-length'];
    expect((await logs(weir, ...key)).code).toBe(0);
    expect(await logs(weir)).toEqual({
      code: 3,
      out: '',
      err: 'weir: A valid key is required; give a key with the scope logs:read with --key or WEIR_CLIENT_KEY\n',
    });
    expect(await logs(weir, '--key', 'some-other-key')).toEqual({
      code: 3,
      out: '',
      err: 'weir: A valid key is required; check the key in --key or WEIR_CLIENT_KEY\n',
    });
    expect(await runWeir(['logs', '--url', weir.admin], { WEIR_ADMIN_KEY: 'some-other-key' })).toMatchObject({
      code: 3,
      err: 'weir: A valid key is required; check the key in --key or WEIR_ADMIN_KEY\n',
    });
    expect((await logs(off)).code).toBe(4);
    expect(await logs(weir, ...key, '-q', 'level:bogus')).toMatchObject({
      code: 5,
      err: /unknown level "bogus"/,
    });
    const refused = await runWeir(['logs', '--url', 'http://127.0.0.1:1']);
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot reach weir at') as string,
    });
    expect(await logs(weir, '--sicne', '1h')).toEqual({
      code: 2,
      out: '',
      err: 'weir: unknown flag --sicne; did you mean --since?\n',
    });
    const usage = await logs(
      weir,
      '--since',
      'soon',
      '--min-level',
      'loud',
      '--limit',
      '-1',
      '--tail',
      '-o',
      'xml',
    );
    expect(usage.code).toBe(2);
    expect(usage.err.trimEnd().split('\n')).toHaveLength(4);
  });

  it.each([
    ['404 as text', 404, 'text/plain', 'Not Found', [], '404 (text/plain)'],
    ['404 as JSON', 404, 'application/json', '{"detail": "Not Found"}', [], '404 (application/json)'],
    ['200 as HTML', 200, 'text/html', '<p>', [], '200 (text/html)'],
    ['200 as JSON', 200, 'application/json', '{"logs": []}', [], '200 (application/json)'],
    ['a stream', 200, 'text/event-stream', 'data: x\n\n', ['--tail'], '200 (text/event-stream)'],
    ['CSV', 200, 'text/csv', 'a,b\n', ['-o', 'csv'], '200 (text/csv)'],
  ])('recognizes the data server if the response is %s', async (_, status, type, body, args, seen) => {
    const replica = await startReplica((_req, res) =>
      res.writeHead(status, { 'content-type': type }).end(body),
    );
    const weir = await startWeir([`--replica=${replica.url}`]);
    expect(await runWeir(['logs', '--url', weir.url, ...args])).toEqual({
      code: 4,
      out: '',
      err: `weir: ${weir.url}/v1/logs responded with ${seen}: this is weir's data server; give the URL of weir's admin server with --url or WEIR_CLIENT_URL (default: http://127.0.0.1:9464)\n`,
    });
  });

  it.each([
    [
      404,
      'text/plain',
      'Not Found',
      /responded with 404; give the URL of weir's admin server with --url or WEIR_CLIENT_URL/,
    ],
    [200, 'text/html', '<p>', /responded with 200 \(text\/html\); give the URL of weir's admin server/],
    [200, 'application/json', '{"ok": true}', /did not respond with records of weir; check --url/],
    [200, 'application/json', 'null', /did not respond with records of weir; check --url/],
  ])('reports that a server is not weir if it responds with %s %s', async (status, type, body, message) => {
    const other = await startReplica((_req, res) =>
      res.writeHead(status, { 'content-type': type }).end(body),
    );
    const { code, out, err } = await runWeir(['logs', '--url', other.url]);
    expect([code, out]).toEqual([4, '']);
    expect(err).toMatch(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('exits without an error when its reader closes the pipe', async () => {
    const weir = await start();
    await post(
      adminOf(weir),
      Array.from({ length: 20_000 }, (_, i) => ({ message: `line ${i} ${'x'.repeat(100)}` })),
    );
    const { stdout, stderr } = await promisify(execFile)(
      'sh',
      ['-c', `"$0" logs --url "$1" --kind line --limit 0 | head -n 1`, BIN, weir.admin],
      { cwd: ROOT },
    );
    expect(stdout).toMatch(/line 0 x*\n$/);
    expect(stderr).toBe('');
  });

  it('follows with --tail and filters across broken connections, until Ctrl-C', async () => {
    const weir = await start();
    const sockets = new Set<Socket>();
    const proxy = createServer((client) => {
      const up = connect(weir.adminPort, '127.0.0.1');
      for (const [one, other] of [
        [client, up],
        [up, client],
      ] as const) {
        sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const child = spawn(
      BIN,
      [
        'logs',
        '--url',
        `http://127.0.0.1:${port}`,
        '--tail',
        '--min-level',
        'error',
        '--limit',
        '1',
        '-o',
        'jsonl',
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(child);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const messages = () =>
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { message: string }).message);
    const wanted = () => messages().filter((message) => message.startsWith('cut'));
    await until('the tail has begun', async () => {
      await post(adminOf(weir), [{ level: 'error', message: 'begin' }]);
      return messages().includes('begin');
    });
    for (let cut = 0; cut < 2; cut++) {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      for (let i = 0; i < 3; i++)
        await post(adminOf(weir), [
          { level: 'info', message: 'not wanted' },
          { level: 'error', message: `cut ${cut}, ${i}` },
        ]);
      await until('it has printed all lines', () => wanted().length >= 3 * (cut + 1), 20_000);
    }
    expect(wanted()).toEqual([0, 1].flatMap((cut) => [0, 1, 2].map((i) => `cut ${cut}, ${i}`)));
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
});
