// Connections: create, change, test, remove; secrets in files, responses and logs.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, kill, options, startConnections, stopConnections } from '../../kit/connections.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { partialSuccess } from '../../kit/otlp-messages.ts';
import { answering, linesOf, logsIn, Receiver, requestIn, spansIn } from '../../kit/otlp-receiver.ts';
import { until } from '../../kit/until.ts';
import { OtlpExport } from '../../../src/telemetry/otlp-export/otlp-export.ts';

let receiver: Receiver;
beforeEach(async () => {
  receiver = await new Receiver().start();
});
afterEach(async () => {
  await stopConnections();
  await receiver.stop();
  removeFolders();
});

const SECRET = 'hunter2-very-secret';
const withSecret = (more: object = {}) => ({
  endpoint_url: receiver.url,
  header_name: 'Authorization',
  header_value: `Bearer ${SECRET}`,
  headers: { 'x-team': `${SECRET}-team` },
  ...more,
});
/** All files of a folder as one text. */
const everythingIn = (path: string): string =>
  readdirSync(path)
    .map((name) => readFileSync(join(path, name), 'latin1'))
    .join('\n');

describe('a header’s value', () => {
  it('is sent to the receiver, and is in no file, response, log line or error', async () => {
    const bench = await startConnections();
    const { connections, records } = bench;
    const made = await connect(connections, withSecret());
    // A receiver that repeats the header values in its response.
    const echo = answering(401, `no such key: ${SECRET} in Bearer ${SECRET} of ${SECRET}-team`, {
      'content-type': 'text/plain',
    });
    receiver.otherwise = echo;
    records.lines('a', 1);
    await until('it is rejected', () => connections.status(made.id)!.state === 'paused');
    const tested = await connections.test(made.id);
    expect(receiver.requests[0]!.headers).toMatchObject({
      authorization: `Bearer ${SECRET}`,
      'x-team': `${SECRET}-team`,
    });
    const changed = await connections.change(made.id, { name: 'n' });
    expect(tested!.message).toBe('receiver returned 401: no such key: *** in *** of ***');
    const told = JSON.stringify([
      made,
      tested,
      changed,
      connections.list(),
      connections.status(made.id),
      connections.readings(),
      bench.lines,
    ]);
    expect(told).not.toContain(SECRET);
    expect(made).toMatchObject({ header_value: '***', headers: { 'x-team': '***' } });
    expect(everythingIn(bench.folder)).not.toContain(SECRET);
    expect(everythingIn(bench.folder)).not.toContain(
      Buffer.from(`Bearer ${SECRET}`).toString('base64').slice(2, 20),
    );
    for (const name of readdirSync(bench.folder))
      expect([name, (statSync(join(bench.folder, name)).mode & 0o777).toString(8)]).toEqual([name, '600']);
    expect(readdirSync(bench.folder).sort()).toEqual(['connections.json', 'cursors.json', 'secret.key']);
  });

  it('is decrypted after a restart', async () => {
    const first = await startConnections();
    const { id } = await connect(first.connections, withSecret());
    await kill(first.connections);
    const { connections } = await startConnections({ folder: first.folder });
    await connections.test(id);
    expect(receiver.requests[0]!.headers.authorization).toBe(`Bearer ${SECRET}`);
  });

  it('is encrypted with the key of the settings, which is in no file', async () => {
    const setting = { options: { encryption_key: 'a key of the settings' } };
    const first = await startConnections(setting);
    const { id } = await connect(first.connections, withSecret());
    expect(readdirSync(first.folder).sort()).toEqual(['connections.json', 'cursors.json']);
    await kill(first.connections);
    const second = await startConnections({ ...setting, folder: first.folder });
    await second.connections.test(id);
    expect(receiver.requests[0]!.headers.authorization).toBe(`Bearer ${SECRET}`);
  });

  it('disables only its own connection if it cannot be decrypted, until it is set again', async () => {
    const first = await startConnections();
    const { id } = await connect(first.connections, withSecret());
    await connect(first.connections, { name: 'open', endpoint_url: receiver.url });
    await kill(first.connections);
    writeFileSync(join(first.folder, 'secret.key'), `${'0'.repeat(64)}\n`);
    const { connections, records } = await startConnections({ folder: first.folder });
    const problem =
      'the stored value of header x-team, Authorization cannot be decrypted with this key; set it again';
    expect(connections.status(id)).toMatchObject({ state: 'failed', last_error: problem });
    expect(await connections.test(id)).toMatchObject({ ok: false, message: problem });
    expect(await connections.change(id, { name: 'x' })).toEqual({
      problems: [
        `this connection cannot be used (${problem}); the change must include the value of header x-team`,
        `this connection cannot be used (${problem}); the change must include the value of header Authorization`,
      ],
    });
    records.lines('a', 1);
    await until('the other goes on', () => receiver.taken.length === 1);
    expect(receiver.taken[0]!.headers.authorization).toBeUndefined();
    await connections.change(id, withSecret());
    expect(connections.status(id)).toMatchObject({ state: 'running' });
  });

  it('cannot be decrypted in another entry of the file', async () => {
    const first = await startConnections();
    const { id } = await connect(first.connections, withSecret());
    await kill(first.connections);
    const file = join(first.folder, 'connections.json');
    const other = await new Receiver().start();
    writeFileSync(file, readFileSync(file, 'utf8').replace(receiver.url, other.url));
    const { connections } = await startConnections({ folder: first.folder });
    expect(connections.status(id)!.state).toBe('failed');
    await other.stop();
  });

  it('is not sent to another host unless the change includes it', async () => {
    const { connections } = await startConnections();
    const { id } = await connect(connections, withSecret());
    expect(await connections.change(id, { endpoint_url: 'http://127.0.0.2:1/v1/logs' })).toEqual({
      problems: [
        'endpoint_url points to another host; the change must include the value of header x-team',
        'endpoint_url points to another host; the change must include the value of header Authorization',
      ],
    });
    const path = await connections.change(id, { endpoint_url: `${receiver.url}?a=b` });
    expect(path).toMatchObject({ shown: { endpoint_url: `${receiver.url}?a=b` } });
    const whole = withSecret({ endpoint_url: 'http://127.0.0.2:1/v1/logs' });
    expect(await connections.change(id, whole)).toHaveProperty('shown');
  });
});

describe('a connection', () => {
  it('can be changed by sending back what was read, and keeps settings that are not sent', async () => {
    const { connections } = await startConnections();
    const made = await connect(connections, withSecret({ name: 'one', min_level: 'warn' }));
    const read = connections.get(made.id)!;
    const changed = await connections.change(made.id, { ...read, min_level: null, encoding: 'json' });
    expect(changed).toEqual({ shown: { ...made, min_level: '', encoding: 'json' } });
    await connections.test(made.id);
    expect(receiver.requests[0]!.headers).toMatchObject({
      authorization: `Bearer ${SECRET}`,
      'content-type': 'application/json',
    });
  });

  it('sends nothing while disabled, can be tested, and continues at its cursor', async () => {
    const { connections, records } = await startConnections();
    const { id } = await connect(connections, { endpoint_url: receiver.url });
    records.lines('a', 1);
    await until('one is there', () => receiver.logs.length === 1);
    await connections.change(id, { enabled: false });
    records.lines('b', 2);
    expect(connections.status(id)).toMatchObject({ state: 'disabled', sent: 1 });
    expect(await connections.test(id)).toMatchObject({ ok: true, status: 200 });
    await connections.change(id, { enabled: true });
    await until('all are there', () => receiver.logs.length === 4);
    const [, probe] = linesOf(receiver.logs);
    expect(probe).toBe('weir: this is a test of the connection');
    expect(linesOf(receiver.logs.slice(2))).toEqual(['b0', 'b1']);
  });

  it('sends again from a new start_from', async () => {
    const { connections, records } = await startConnections();
    const { id } = await connect(connections, { endpoint_url: receiver.url });
    records.lines('a', 3);
    await until('all are there', () => receiver.logs.length === 3);
    await connections.change(id, { start_from: 2 });
    await until('some are there again', () => receiver.logs.length === 5);
    expect(linesOf(receiver.logs)).toEqual(['a0', 'a1', 'a2', 'a1', 'a2']);
  });

  it('sends nothing after it is removed, and aborts its request', async () => {
    const bench = await startConnections();
    const { connections, records } = bench;
    const { id } = await connect(connections, withSecret());
    receiver.script.push(() => undefined);
    records.lines('a', 1);
    await until('the request has arrived', () => receiver.requests.length === 1);
    expect(await connections.remove(id)).toBe(true);
    records.lines('b', 1);
    expect(await connections.remove(id)).toBe(false);
    expect([connections.list(), connections.status(id)]).toEqual([[], undefined]);
    expect(everythingIn(bench.folder)).not.toContain(id);
    expect(receiver.requests).toHaveLength(1);
  });

  it('of the settings exists without files, and cannot be changed by the API', async () => {
    const settings = {
      endpoint: receiver.url,
      header_name: 'api-key',
      header_value: SECRET,
      traces_endpoint: 'http://127.0.0.1:9/v1/traces',
      traces_headers: ['x-honeycomb-team=abc=', 'x-honeycomb-dataset=weir'],
    };
    const { connections, records } = await startConnections({ options: settings });
    records.lines('a', 1);
    await until('it is there', () => receiver.logs.length === 1);
    expect(receiver.taken[0]!.headers['api-key']).toBe(SECRET);
    expect(connections.list()).toMatchObject([
      { id: 'settings-logs', from: 'settings', header_value: '***' },
      {
        id: 'settings-traces',
        signal: 'traces',
        headers: { 'x-honeycomb-team': '***', 'x-honeycomb-dataset': '***' },
      },
    ]);
    const rejected = { problems: [expect.stringContaining('comes from the settings') as string] };
    expect(await connections.change('settings-logs', { enabled: false })).toEqual(rejected);
    expect(await connections.remove('settings-logs')).toEqual(rejected);
  });

  it('of the settings is validated before anything starts', () => {
    const deps = { folder: folder(), ownPorts: () => [] } as never;
    expect(() => new OtlpExport(options({ endpoint: 'http://a:b@c/' }), deps)).toThrow(
      'export: endpoint_url must not contain a user name or password; use header_name and header_value',
    );
  });

  it('is rejected if its input is invalid', async () => {
    const { connections } = await startConnections({ ownPorts: () => [receiver.port] });
    const problemsOf = async (input: unknown) => {
      const made = await connections.create(input);
      return 'problems' in made ? made.problems.join('; ') : 'none';
    };
    const url = 'https://otlp.example.com/v1/logs';
    const cases: [unknown, string][] = [
      [[], 'a connection must be a JSON object such as {"endpoint_url": "https://otlp.example.com/v1/logs"}'],
      [{}, 'endpoint_url is missing, must be a URL such as https://otlp.example.com/v1/logs'],
      [
        { endpoint_url: null },
        'endpoint_url is missing, must be a URL such as https://otlp.example.com/v1/logs',
      ],
      [{ endpoint_url: 7 }, 'endpoint_url is 7, must be a URL such as https://otlp.example.com/v1/logs'],
      [{ endpoint_url: 'ftp://x/' }, 'endpoint_url must be a URL such as https://otlp.example.com/v1/logs'],
      [{ endpoint_url: receiver.url }, 'endpoint_url must not point to weir itself'],
      [{ endpoint_url: url, header_nane: 'a' }, 'unknown field "header_nane"; did you mean "header_name"?'],
      [
        { endpoint_url: url, header_name: 'a b', header_value: 'x' },
        'header_name is "a b", must be a header name such as Authorization',
      ],
      [
        { endpoint_url: url, header_name: 'Host', header_value: 'x' },
        'header_name is Host; weir sets this header itself',
      ],
      [{ endpoint_url: url, header_name: 'a' }, 'header_value is missing for header a'],
      [
        { endpoint_url: url, header_name: 'a', header_value: '***' },
        'the value of header a is ***, which is a placeholder; give the value itself',
      ],
      [
        { endpoint_url: url, header_name: 'a', header_value: `${SECRET}\r\nX-Other: b` },
        'the value of header a must have at most 8192 visible characters, no line break, and no space at either end',
      ],
      [
        { endpoint_url: url, headers: { b: `${SECRET}\n` } },
        'the value of header b must have at most 8192 visible characters, no line break, and no space at either end',
      ],
      [
        { endpoint_url: url, header_name: 'A', header_value: 'x', headers: { a: 'y' } },
        'header A is in both headers and header_name; remove one of them',
      ],
      [
        { endpoint_url: url, min_level: 'loud' },
        'min_level is "loud", must be one of "", trace, debug, info, warn, error, fatal',
      ],
      [
        { endpoint_url: url, start_from: 'yesterday' },
        'start_from is "yesterday", must be now, earliest or the sequence number of a record',
      ],
      [{ endpoint_url: url, query: '(' }, 'query has a parenthesis that is not closed'],
    ];
    for (const [input, problem] of cases) expect([input, await problemsOf(input)]).toEqual([input, problem]);
    expect(connections.list()).toEqual([]);
    await connect(connections, { name: 'twin', endpoint_url: url, enabled: false });
    expect(await problemsOf({ name: 'twin', endpoint_url: url })).toBe(
      'name is "twin", which another connection already uses',
    );
  });
});

describe('a test', () => {
  it('returns the receiver’s status and text', async () => {
    const { connections } = await startConnections();
    const { id } = await connect(connections, { endpoint_url: receiver.url, service_name: 'mine' });
    const type = { 'content-type': 'application/x-protobuf' };
    expect(await connections.test(id)).toEqual({
      ok: true,
      status: 200,
      message: '',
      duration_ms: expect.any(Number) as number,
    });
    receiver.script.push(answering(200, partialSuccess(1, 'not today'), type));
    expect(await connections.test(id)).toMatchObject({ ok: false, status: 200, message: 'not today' });
    receiver.script.push(answering(403, 'no', { 'content-type': 'text/plain' }));
    expect(await connections.test(id)).toMatchObject({
      ok: false,
      status: 403,
      message: 'receiver returned 403: no',
    });
    const { resource } = requestIn(receiver.requests[0]!).resourceLogs[0]!;
    expect(resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'mine' } });
    expect(logsIn(receiver.requests[0]!)).toHaveLength(1);
    const { port } = receiver;
    await receiver.stop();
    expect(await connections.test(id)).toMatchObject({
      ok: false,
      status: 0,
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    await receiver.start(port);
    expect(connections.status(id)).toMatchObject({ sent: 0, rejected: 0 });
  });

  it('sends a span if the signal is traces', async () => {
    const { connections } = await startConnections();
    const { id } = await connect(connections, { signal: 'traces', endpoint_url: receiver.url });
    expect(await connections.test(id)).toMatchObject({ ok: true });
    const [span] = spansIn(receiver.requests[0]!).resourceSpans[0]!.scopeSpans[0]!.spans;
    expect(span).toMatchObject({
      name: 'weir connection test',
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
  });
});

describe('the files', () => {
  it('are renamed and reported if they are not valid JSON', async () => {
    const path = folder({ 'connections.json': '{"connections":[', 'cursors.json': '' });
    const { connections, lines } = await startConnections({ folder: path });
    expect(connections.list()).toEqual([]);
    expect(lines.join('')).toMatch(/connections\.json is not valid JSON; renamed to .*damaged/);
    expect(
      readdirSync(path)
        .map((name) => name.replace(/\d+$/, 'N'))
        .sort(),
    ).toEqual(['connections.json.damaged-N', 'cursors.json.damaged-N']);
  });

  it('keep an invalid entry unchanged', async () => {
    const invalid = { id: 'otel_new', endpoint_url: 'grpc://x', future: true };
    const path = folder({ 'connections.json': JSON.stringify({ connections: [invalid, 7] }) });
    const { connections, lines } = await startConnections({ folder: path });
    expect(lines.join('')).toContain(
      'connection otel_new in connections.json is invalid and not used: endpoint_url must be a URL',
    );
    await connect(connections, { endpoint_url: receiver.url });
    const { connections: kept } = JSON.parse(readFileSync(join(path, 'connections.json'), 'utf8')) as {
      connections: unknown[];
    };
    expect(kept.slice(0, 2)).toEqual([invalid, 7]);
    expect(kept).toHaveLength(3);
  });

  it('are not needed to send: a write error is reported, and sending continues', async () => {
    const path = join(folder({ file: '' }), 'file', 'under');
    const { connections, records } = await startConnections({
      folder: path,
      options: { endpoint: receiver.url },
    });
    records.lines('a', 2);
    await until('they are there', () => receiver.logs.length === 2);
    expect(connections.status('settings-logs')!.last_error).toMatch(/cannot save the cursor: ENOTDIR/);
  });
});
