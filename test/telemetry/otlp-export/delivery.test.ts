// Delivery of stored records: to receivers that are down, slow, overloaded or wrong, and across restarts of weir.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, FAST, kill, startConnections, stopConnections } from '../../kit/connections.ts';
import { removeFolders } from '../../kit/folder.ts';
import { partialSuccess } from '../../kit/otlp-messages.ts';
import { answering, linesOf, logsIn, Receiver, resetting, spansIn } from '../../kit/otlp-receiver.ts';
import { localBatches } from '../../kit/local-batches.ts';
import { Records } from '../../kit/records.ts';
import { until } from '../../kit/until.ts';
import type { OpenBatches } from '../../../src/telemetry/otlp-export/reader-batches.ts';
import type { ProjectSpans } from '../../../src/telemetry/otlp-export/request-encoder.ts';
import type { LogRecord } from '../../../src/telemetry/logs/logs.ts';
import { emptyMessage, emptySpan, tracesRequest } from '../../../src/protocol/otlp/messages.ts';

let receiver: Receiver;
beforeEach(async () => {
  receiver = await new Receiver().start();
});
afterEach(async () => {
  await stopConnections();
  await receiver.stop();
  removeFolders();
});

const received = (lines: readonly string[]) =>
  until(`the receiver has ${lines.length} lines`, () => linesOf(receiver.logs).length >= lines.length);
const toReceiver = (more: object = {}) => ({ endpoint_url: receiver.url, ...more });

describe.each(['protobuf', 'json'] as const)('encoding %s', (encoding) => {
  it.each(['gzip', 'none'] as const)(
    'sends stored records once and in order, compression %s',
    async (compression) => {
      const { connections, records } = await startConnections();
      const { id } = await connect(connections, toReceiver({ encoding, compression }));
      const lines = records.lines('a', 1300);
      await received(lines);
      expect(linesOf(receiver.logs)).toEqual(lines);
      expect(Math.max(...receiver.taken.map((one) => logsIn(one).length))).toBe(512);
      const { headers, path } = receiver.requests[0]!;
      expect(path).toBe('/v1/logs');
      expect(headers).toMatchObject({
        'content-type': encoding === 'json' ? 'application/json' : 'application/x-protobuf',
        'user-agent': 'weir/1.2.3',
      });
      expect(headers['content-encoding']).toBe(compression === 'gzip' ? 'gzip' : undefined);
      await until('it is counted', () => connections.status(id)!.sent === 1300);
      expect(connections.status(id)).toMatchObject({
        state: 'running',
        cursor: 1300,
        queue_records: 0,
        lag_seconds: 0,
        rejected: 0,
        dropped: 0,
      });
    },
  );
});

it('loses and repeats nothing after 503 with Retry-After, 429, broken connections and a partial success', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.script.push(
    resetting,
    answering(503, 'later', { 'retry-after': '1' }),
    answering(429),
    // On a reused connection: the request is repeated at once on a new one.
    resetting,
    answering(504),
    answering(502),
    answering(200, partialSuccess(3, 'too old'), { 'content-type': 'application/x-protobuf' }),
  );
  const lines = records.lines('a', 10);
  await until('all records are finished', () => connections.status(id)!.cursor === 10);
  expect(linesOf(receiver.logs)).toEqual(lines);
  // No request after the partial success.
  expect(receiver.requests).toHaveLength(7);
  const [, first, second] = receiver.requests;
  expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(990);
  expect(connections.status(id)).toMatchObject({
    sent: 7,
    rejected: 3,
    last_error: '3 records were rejected: too old',
  });
  expect(connections.readings()[0]!.requests).toEqual(
    new Map([
      ['none', 1],
      ['503', 1],
      ['429', 1],
      ['504', 1],
      ['502', 1],
      ['200', 1],
    ]),
  );
});

it('sends everything once a receiver is up again', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  const { port } = receiver;
  await receiver.stop();
  const lines = records.lines('a', 2000);
  await until('it is retrying', () => connections.status(id)!.state === 'retrying');
  const behind = connections.status(id)!;
  expect(behind.last_error).toMatch(/ECONNREFUSED/);
  expect(behind.retry_at).toMatch(/^2.*Z$/);
  lines.push(...records.lines('b', 500));
  await until('new records are counted', () => connections.status(id)!.queue_records === 2500);
  await until('the lag grows', () => connections.status(id)!.lag_seconds > 0);
  await receiver.start(port);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it.each([
  [
    400,
    'application/json',
    JSON.stringify({ code: 3, message: 'no such tenant' }),
    'receiver returned 400: no such tenant',
  ],
  [500, 'application/x-protobuf', Buffer.from([0x12, 2, 0x6e, 0x6f]), 'receiver returned 500: no'],
  [501, 'text/html', '', 'receiver returned 501'],
])('counts records as rejected after %i, and continues', async (status, type, body, error) => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  const elsewhere = await new Receiver().start();
  receiver.script.push(answering(status, body, { 'content-type': type, location: elsewhere.url }));
  records.lines('bad', 3);
  await until('they are rejected', () => connections.status(id)!.rejected === 3);
  expect(connections.status(id)).toMatchObject({ last_error: error, cursor: 3, sent: 0 });
  const lines = records.lines('good', 2);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  expect(elsewhere.requests).toHaveLength(0);
  await elsewhere.stop();
});

it.each([
  [401, 'who are you?\n', 'receiver returned 401: who are you?'],
  [403, '', 'receiver returned 403'],
  [404, '', 'receiver returned 404'],
  [307, '', 'receiver returned 307 (redirects are not followed)'],
])('keeps records while a receiver returns %i, and sends them afterwards', async (status, body, error) => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  const elsewhere = await new Receiver().start();
  receiver.otherwise = answering(status, body, { 'content-type': 'text/plain', location: elsewhere.url });
  const lines = records.lines('kept', 3);
  await until('it is paused', () => connections.status(id)!.state === 'paused');
  await until('it has retried', () => receiver.requests.length >= 4);
  lines.push(...records.lines('later', 600));
  await until('new records are counted', () => connections.status(id)!.queue_records === 603);
  expect(connections.status(id)).toMatchObject({ last_error: error, cursor: 0, rejected: 0, sent: 0 });
  await until('the next retry is shown', () => connections.status(id)!.next_try_at !== '');
  const { paused_since: since, last_response: last } = connections.status(id)!;
  expect(Date.parse(since)).toBeLessThanOrEqual(Date.parse(last!.at));
  expect(last).toMatchObject({ status, text: body });
  receiver.otherwise = answering(200);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  await until('it is running', () => connections.status(id)!.state === 'running');
  await until('the lag is 0', () => connections.status(id)!.lag_seconds === 0);
  expect(connections.status(id)).toMatchObject({ paused_since: '', last_response: { status: 200 } });
  expect(elsewhere.requests).toHaveLength(0);
  await elsewhere.stop();
});

it('keeps 1 KiB of the last response, without values of headers', async () => {
  const { connections } = await startConnections();
  const value = 'a-very-secret-value';
  const { id } = await connect(connections, toReceiver({ header_name: 'X-Key', header_value: value }));
  expect(connections.status(id)!.last_response).toBeNull();
  // The value lies across the end of what is kept.
  const text = `${'é'.repeat(507)}${value}${'z'.repeat(5000)}`;
  receiver.otherwise = answering(500, text, { 'content-type': 'text/plain' });
  await connections.test(id);
  const last = connections.status(id)!.last_response!;
  expect(last.status).toBe(500);
  expect(Buffer.byteLength(last.text)).toBeLessThanOrEqual(1024);
  expect(last.text).toBe(`${'é'.repeat(507)}***${'z'.repeat(7)}`);
});

it('shows the text of a response in protobuf', async () => {
  const { connections } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  const body = Buffer.from([0x12, 2, 0x6e, 0x6f]);
  receiver.otherwise = answering(400, body, { 'content-type': 'application/x-protobuf' });
  await connections.test(id);
  expect(connections.status(id)!.last_response).toMatchObject({
    status: 400,
    text: 'receiver returned 400: no',
  });
});

it('uses a new key at once after the old one was rejected', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, lockedRetry: 3_600_000 } });
  const key = (value: string) => ({ header_name: 'X-Key', header_value: value });
  const { id } = await connect(connections, toReceiver(key('expired')));
  receiver.otherwise = (res, req) => void res.writeHead(req.headers['x-key'] === 'new-key' ? 200 : 401).end();
  const lines = records.lines('a', 3);
  await until('it is paused', () => connections.status(id)!.state === 'paused');
  await connections.change(id, key('new-key'));
  await received(lines);
  // The receiver has the lines before weir has its response.
  await until('the lines are counted', () => connections.status(id)!.sent === 3);
  expect(connections.status(id)).toMatchObject({ state: 'running', rejected: 0 });
});

it('splits a batch if the receiver closes the connection on large requests', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.otherwise = (res, req, received) =>
    logsIn(received).length > 40 ? void req.socket.resetAndDestroy() : void res.end();
  const lines = records.lines('a', 500);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  // The receiver has them before its last response arrives.
  await until('all are counted as sent', () => connections.status(id)!.sent === 500);
  expect(connections.status(id)).toMatchObject({ rejected: 0 });
});

it('keeps retrying a single record if the connection is closed every time', async () => {
  const { connections, records } = await startConnections();
  await connect(connections, toReceiver());
  receiver.otherwise = resetting;
  const lines = records.lines('a', 2);
  await until('it has retried often', () => receiver.requests.length > 14);
  receiver.otherwise = answering(200);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('splits a batch after 413, and rejects a single record that is too large', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.otherwise = (res, _, received) => {
    const tooLarge = logsIn(received).length > 4 || linesOf(logsIn(received)).includes('a7');
    res.writeHead(tooLarge ? 413 : 200).end();
  };
  const lines = records.lines('a', 20);
  await until('all records are finished', () => connections.status(id)!.cursor === 20);
  expect(linesOf(receiver.logs)).toEqual(lines.filter((line) => line !== 'a7'));
  expect(connections.status(id)).toMatchObject({ sent: 19, rejected: 1 });
});

it('sends requests of at most about 4 MiB', async () => {
  const { connections, records } = await startConnections();
  await connect(connections, toReceiver());
  records.add(...Array.from({ length: 9 }, (_, i) => ({ message: `${i}`.repeat(700_000) })));
  await until('all are there', () => receiver.logs.length === 9);
  const sizes = receiver.taken.map(({ bytes }) => bytes.length);
  expect(Math.max(...sizes)).toBeLessThan(4.5 * 1024 ** 2);
  expect(sizes.length).toBeGreaterThan(3);
});

it('retries after a timeout', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, timeout: 50 } });
  const { id } = await connect(connections, toReceiver());
  receiver.script.push(() => undefined);
  const lines = records.lines('a', 2);
  await received(lines);
  expect(connections.status(id)!.last_error).toBe('no response within 50 ms');
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('stops reading an endless response', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.script.push((res) => {
    res.writeHead(200);
    const more = () => {
      while (!res.destroyed && res.write(Buffer.alloc(65_536)));
    };
    res.on('drain', more);
    more();
  });
  records.lines('a', 1);
  await until('it counts as sent', () => connections.status(id)!.sent === 1);
});

it('collects records for an interval if they do not fill a request', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, interval: 300 } });
  await connect(connections, toReceiver());
  records.lines('first', 1);
  await received(['first0']);
  for (let i = 0; i < 20; i++) records.lines(`x${i}-`, 1);
  await received(Array<string>(21).fill(''));
  expect(receiver.requests).toHaveLength(2);
  expect(receiver.requests[1]!.atMs - receiver.requests[0]!.atMs).toBeGreaterThan(250);
});

it('does not let a failing destination delay another one', async () => {
  const { connections, records } = await startConnections();
  const slow = await new Receiver().start();
  slow.otherwise = answering(503);
  const behind = await connect(connections, { name: 'slow', endpoint_url: slow.url });
  await connect(connections, toReceiver({ name: 'quick' }));
  const lines = records.lines('a', 600);
  await received(lines);
  expect(connections.status(behind.id)).toMatchObject({ sent: 0, cursor: 0 });
  await slow.stop();
});

describe('a restart', () => {
  it('continues after the last accepted request', async () => {
    const first = await startConnections();
    const { id } = await connect(first.connections, toReceiver());
    const { records, folder } = first;
    // Two requests are accepted, the third has no response when weir is killed.
    receiver.script.push(answering(200), answering(200), () => undefined);
    const lines = records.lines('a', 2000);
    await until('the third is under way', () => receiver.requests.length === 3);
    await kill(first.connections);
    expect(receiver.taken).toHaveLength(2);
    const second = await startConnections({ records, folder });
    await received(lines);
    expect(linesOf(receiver.logs)).toEqual(lines);
    await until('it is at the end', () => second.connections.status(id)!.cursor === 2000);
  });

  it('sends records that were stored while the exporter was down', async () => {
    const { connections, records, folder } = await startConnections();
    await connect(connections, toReceiver());
    const lines = records.lines('before', 3);
    await received(lines);
    await kill(connections);
    lines.push(...records.lines('meanwhile', 3));
    await startConnections({ records, folder });
    await received(lines);
    expect(linesOf(receiver.logs)).toEqual(lines);
  });

  it('sends stored records before an orderly stop ends', async () => {
    const { connections, records } = await startConnections({ timing: { ...FAST, interval: 60_000 } });
    await connect(connections, toReceiver());
    const lines = records.lines('a', 1);
    await received(lines);
    lines.push(...records.lines('b', 700));
    await connections.stop(performance.now() + 5000);
    expect(linesOf(receiver.logs)).toEqual(lines);
  });

  it('does not wait for a receiver that is down at a stop', async () => {
    const { connections, records } = await startConnections({
      timing: { ...FAST, firstRetry: 60_000, lastRetry: 60_000 },
    });
    const { id } = await connect(connections, toReceiver());
    receiver.otherwise = answering(503);
    records.lines('a', 1);
    await until('it waits', () => connections.status(id)!.state === 'retrying');
    await connections.stop(performance.now() + 20_000);
    expect(receiver.requests).toHaveLength(2);
  });

  it('continues at the end of a store that is shorter than the cursor', async () => {
    const first = await startConnections();
    await connect(first.connections, toReceiver());
    await received(first.records.lines('a', 50));
    await kill(first.connections);
    const records = new Records();
    records.lines('lost', 5);
    await startConnections({ records, folder: first.folder });
    records.lines('new', 2);
    await received(Array<string>(52).fill(''));
    expect(linesOf(receiver.logs).slice(50)).toEqual(['new0', 'new1']);
  });
});

describe('a new destination', () => {
  it.each([
    ['now', ['new0']],
    ['earliest', ['old2', 'old3', 'new0']],
    [4, ['old3', 'new0']],
    [1, ['old2', 'old3', 'new0']],
    [99, ['new0']],
  ])('starts from %s', async (from, expected) => {
    const { connections, records } = await startConnections();
    records.lines('old', 4);
    records.expire(3);
    const { id } = await connect(connections, toReceiver({ start_from: from }));
    records.lines('new', 1);
    await received(expected);
    expect(linesOf(receiver.logs)).toEqual(expected);
    expect(connections.status(id)!.dropped).toBe(0);
  });
});

it('counts records that expire before they are sent', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver({ name: 'late', enabled: true }));
  receiver.otherwise = answering(503);
  records.lines('a', 1);
  await until('it waits', () => connections.status(id)!.state === 'retrying');
  records.lines('b', 600);
  records.expire(590);
  receiver.otherwise = answering(200);
  await until('all records are finished', () => connections.status(id)!.cursor === 601);
  expect(connections.status(id)).toMatchObject({ sent: 1 + 12, dropped: 588 });
  expect(connections.status(id)!.last_error).toBe('588 records expired before they were sent');
});

it('sends wanted records only, and moves the cursor past the others', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver({ min_level: 'warn', query: 'disk' }));
  records.add(
    { message: 'disk full', severity: 17 },
    { message: 'disk fine', severity: 9 },
    { message: 'other', severity: 21 },
    { kind: 'span', message: 'disk span', severity: 21 },
    { message: 'disk gone', severity: 13 },
    { message: 'disk quiet', severity: 0 },
  );
  await received(['', '']);
  expect(linesOf(receiver.logs)).toEqual(['disk full', 'disk gone']);
  await until('it is at the end', () => connections.status(id)!.cursor === 6);
});

it('retries after the store could not be read', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  records.broken = new Error('the reader has ended');
  const lines = records.lines('a', 3);
  await until('it is known', () => connections.status(id)!.last_error === 'the reader has ended');
  records.broken = undefined;
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('sends a batch again after the reader thread ended before it was encoded', async () => {
  const records = new Records();
  let failures = 2;
  const openBatches: OpenBatches = (destination) => {
    const batches = localBatches(records)(destination);
    if ('problem' in batches) return batches;
    return {
      ...batches,
      encode: (from, to) =>
        failures-- > 0 ? Promise.reject(new Error('the reader has ended')) : batches.encode(from, to),
    };
  };
  const { connections } = await startConnections({ openBatches });
  const { id } = await connect(connections, toReceiver());
  const lines = records.lines('a', 3);
  await received(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  await until('it is counted', () => connections.status(id)!.sent === 3);
  expect(connections.status(id)).toMatchObject({ rejected: 0, last_error: 'the reader has ended' });
});

it('waits before a retry if Retry-After is 0', async () => {
  const { connections, records } = await startConnections({
    timing: { ...FAST, firstRetry: 100, lastRetry: 100 },
  });
  await connect(connections, toReceiver());
  receiver.script.push(answering(503, '', { 'retry-after': '0' }));
  await received(records.lines('a', 1));
  const [first, second] = receiver.requests;
  expect(second!.atMs - first!.atMs).toBeGreaterThan(45);
});

describe('spans', () => {
  /** One span for each record whose message does not start with `silent`. */
  const spans: ProjectSpans = (records, serviceName) => {
    const wanted = records.filter(({ message }) => !message.startsWith('silent'));
    if (records.some(({ message }) => message === 'poison')) throw new TypeError('cannot be told');
    return wanted.length === 0 ? [] : [groupOf(wanted, serviceName)];
  };
  const groupOf = (records: readonly LogRecord[], serviceName: string) => ({
    ...emptyMessage(tracesRequest.resourceSpans[1].fields),
    resource: { attributes: new Map([['service.name', serviceName]]), droppedAttributesCount: 0 },
    scopeSpans: [
      {
        ...emptyMessage(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields),
        spans: records.map(({ message, traceId, spanId, timeNs }) => ({
          ...emptySpan(),
          name: message,
          traceId,
          spanId,
          startTimeUnixNano: timeNs,
          endTimeUnixNano: timeNs,
        })),
      },
    ],
  });
  const ids = { kind: 'request', traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) } as const;
  const names = () =>
    receiver.taken.flatMap((one) =>
      spansIn(one).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)),
      ),
    );

  it('are sent like logs, and records without spans are skipped', async () => {
    const { connections, records } = await startConnections({ spans });
    const { id } = await connect(connections, toReceiver({ signal: 'traces', service_name: 'truss-server' }));
    records.add({ ...ids, message: 'silent' });
    await until('it is skipped', () => connections.status(id)!.cursor === 1);
    records.add({ ...ids, message: 'predict' }, { message: 'a line' }, { ...ids, message: 'silent too' });
    await until('it is at the end', () => connections.status(id)!.cursor === 4);
    expect(names()).toEqual(['predict']);
    const [request] = receiver.taken.map(spansIn);
    expect(request!.resourceSpans[0]!.resource.attributes).toEqual([
      { key: 'service.name', value: { stringValue: 'truss-server' } },
    ]);
  });

  it('are sent without a span that cannot be encoded', async () => {
    const { connections, records } = await startConnections({ spans });
    const { id } = await connect(connections, toReceiver({ signal: 'traces' }));
    records.add(...['a', 'b', 'poison', 'c', 'd'].map((message) => ({ ...ids, message })));
    await until('it is at the end', () => connections.status(id)!.cursor === 5);
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
    expect(connections.status(id)).toMatchObject({
      sent: 4,
      rejected: 1,
      last_error: 'cannot encode as OTLP: cannot be told',
    });
  });
});

it('ends at the deadline if the store hangs', async () => {
  const records = new Records();
  let isHanging = false;
  const openBatches: OpenBatches = (destination) => {
    const batches = localBatches(records)(destination);
    if ('problem' in batches) return batches;
    return {
      ...batches,
      read: (after) => (isHanging ? new Promise(() => undefined) : batches.read(after)),
    };
  };
  const { connections } = await startConnections({ openBatches });
  const { id } = await connect(connections, toReceiver());
  isHanging = true;
  records.lines('a', 1);
  await connections.stop(performance.now() + 50);
  expect(connections.status(id)!.cursor).toBe(0);
});
