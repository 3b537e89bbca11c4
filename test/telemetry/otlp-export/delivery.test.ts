// What is stored arrives: at a receiver that is down, slow, full or wrong, and over restarts of weir.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, FAST, kill, startConnections, stopConnections } from '../../kit/connections.ts';
import { removeFolders } from '../../kit/folder.ts';
import { partialSuccess } from '../../kit/otlp-messages.ts';
import { answering, linesOf, logsIn, Receiver, resetting, spansIn } from '../../kit/otlp-receiver.ts';
import { Records } from '../../kit/records.ts';
import { until } from '../../kit/until.ts';
import type { ProjectSpans } from '../../../src/telemetry/otlp-export/otlp-export.ts';
import type { LogRecord, Logs } from '../../../src/telemetry/logs/logs.ts';
import { emptyOf, emptySpan, tracesRequest } from '../../../src/protocol/otlp/messages.ts';

let receiver: Receiver;
beforeEach(async () => {
  receiver = await new Receiver().start();
});
afterEach(async () => {
  await stopConnections();
  await receiver.stop();
  removeFolders();
});

const took = (lines: readonly string[]) =>
  until(`the receiver took ${lines.length} lines`, () => linesOf(receiver.logs).length >= lines.length);
const toReceiver = (more: object = {}) => ({ endpoint_url: receiver.url, ...more });

describe.each(['protobuf', 'json'] as const)('in %s', (encoding) => {
  it.each(['gzip', 'none'] as const)(
    'what is stored arrives once and in order, compression %s',
    async (compression) => {
      const { connections, records } = await startConnections();
      const { id } = await connect(connections, toReceiver({ encoding, compression }));
      const lines = records.lines('a', 1300);
      await took(lines);
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

it('a receiver that says 503 with Retry-After, 429, breaks the connection, and takes a part: nothing lost, nothing twice', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.script.push(
    resetting,
    answering(503, 'later', { 'retry-after': '1' }),
    answering(429),
    // On a connection that was kept: that may happen to anybody, and is tried again at once.
    resetting,
    answering(504),
    answering(502),
    answering(200, partialSuccess(3, 'too old'), { 'content-type': 'application/x-protobuf' }),
  );
  const lines = records.lines('a', 10);
  await until('it is through', () => connections.status(id)!.cursor === 10);
  expect(linesOf(receiver.logs)).toEqual(lines);
  // The one that took it was not asked again.
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

it('a receiver that is down for a while gets everything when it is back', async () => {
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
  await until('the depth is known', () => connections.status(id)!.queue_records === 2500);
  await until('the lag grows', () => connections.status(id)!.lag_seconds > 0);
  await receiver.start(port);
  await took(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it.each([
  [
    400,
    'application/json',
    JSON.stringify({ code: 3, message: 'no such tenant' }),
    'answered 400: no such tenant',
  ],
  [500, 'application/x-protobuf', Buffer.from([0x12, 2, 0x6e, 0x6f]), 'answered 500: no'],
  [501, 'text/html', '', 'answered 501'],
])(
  '%i is not asked again: the records count as rejected, and it goes on',
  async (status, type, body, error) => {
    const { connections, records } = await startConnections();
    const { id } = await connect(connections, toReceiver());
    const elsewhere = await new Receiver().start();
    receiver.script.push(answering(status, body, { 'content-type': type, location: elsewhere.url }));
    records.lines('bad', 3);
    await until('they are refused', () => connections.status(id)!.rejected === 3);
    expect(connections.status(id)).toMatchObject({ last_error: error, cursor: 3, sent: 0 });
    const lines = records.lines('good', 2);
    await took(lines);
    expect(linesOf(receiver.logs)).toEqual(lines);
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.stop();
  },
);

it.each([
  [401, 'who are you?\n', 'answered 401: who are you?'],
  [403, '', 'answered 403'],
  [404, '', 'answered 404'],
  [307, '', 'answered 307, and redirects are not followed'],
])('%i says nothing of the records: they wait until that is put right', async (status, body, error) => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  const elsewhere = await new Receiver().start();
  receiver.otherwise = answering(status, body, { 'content-type': 'text/plain', location: elsewhere.url });
  const lines = records.lines('kept', 3);
  await until('it is paused', () => connections.status(id)!.state === 'paused');
  await until('it asks again', () => receiver.requests.length >= 4);
  lines.push(...records.lines('later', 600));
  await until('the depth is known', () => connections.status(id)!.queue_records === 603);
  expect(connections.status(id)).toMatchObject({ last_error: error, cursor: 0, rejected: 0, sent: 0 });
  await until('it says when it asks again', () => connections.status(id)!.retry_at !== '');
  receiver.otherwise = answering(200);
  await took(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  await until('all is well', () => connections.status(id)!.state === 'running');
  await until('nothing is behind', () => connections.status(id)!.lag_seconds === 0);
  expect(elsewhere.requests).toHaveLength(0);
  await elsewhere.stop();
});

it('another key is used at once, however long the old one was refused', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, lockedRetry: 3_600_000 } });
  const key = (value: string) => ({ header_name: 'X-Key', header_value: value });
  const { id } = await connect(connections, toReceiver(key('expired')));
  receiver.otherwise = (res, req) => void res.writeHead(req.headers['x-key'] === 'new-key' ? 200 : 401).end();
  const lines = records.lines('a', 3);
  await until('it is paused', () => connections.status(id)!.state === 'paused');
  await connections.change(id, key('new-key'));
  await took(lines);
  expect(connections.status(id)).toMatchObject({ state: 'running', sent: 3, rejected: 0 });
});

it('a receiver that closes the connection on large requests gets smaller ones', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.otherwise = (res, req, received) =>
    logsIn(received).length > 40 ? void req.socket.resetAndDestroy() : void res.end();
  const lines = records.lines('a', 500);
  await took(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
  // The receiver has them before its last answer arrives.
  await until('all are counted as sent', () => connections.status(id)!.sent === 500);
  expect(connections.status(id)).toMatchObject({ rejected: 0 });
});

it('a record whose connection is closed every time is not given up', async () => {
  const { connections, records } = await startConnections();
  await connect(connections, toReceiver());
  receiver.otherwise = resetting;
  const lines = records.lines('a', 2);
  await until('it is asked often', () => receiver.requests.length > 14);
  receiver.otherwise = answering(200);
  await took(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('what is too large is sent in parts, and one record that is too large alone is given up', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  receiver.otherwise = (res, _, received) => {
    const tooLarge = logsIn(received).length > 4 || linesOf(logsIn(received)).includes('a7');
    res.writeHead(tooLarge ? 413 : 200).end();
  };
  const lines = records.lines('a', 20);
  await until('it is through', () => connections.status(id)!.cursor === 20);
  expect(linesOf(receiver.logs)).toEqual(lines.filter((line) => line !== 'a7'));
  expect(connections.status(id)).toMatchObject({ sent: 19, rejected: 1 });
});

it('a request has about 4 MiB at most', async () => {
  const { connections, records } = await startConnections();
  await connect(connections, toReceiver());
  records.add(...Array.from({ length: 9 }, (_, i) => ({ message: `${i}`.repeat(700_000) })));
  await until('all are there', () => receiver.logs.length === 9);
  const sizes = receiver.taken.map(({ bytes }) => bytes.length);
  expect(Math.max(...sizes)).toBeLessThan(4.5 * 1024 ** 2);
  expect(sizes.length).toBeGreaterThan(3);
});

it('a receiver that does not answer is asked again', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, timeout: 50 } });
  const { id } = await connect(connections, toReceiver());
  receiver.script.push(() => undefined);
  const lines = records.lines('a', 2);
  await took(lines);
  expect(connections.status(id)!.last_error).toBe('no answer within 50 ms');
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('an endless answer is not read to its end', async () => {
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

it('records without a full request are gathered for an interval', async () => {
  const { connections, records } = await startConnections({ timing: { ...FAST, interval: 300 } });
  await connect(connections, toReceiver());
  records.lines('first', 1);
  await took(['first0']);
  for (let i = 0; i < 20; i++) records.lines(`x${i}-`, 1);
  await took(Array<string>(21).fill(''));
  expect(receiver.requests).toHaveLength(2);
  expect(receiver.requests[1]!.atMs - receiver.requests[0]!.atMs).toBeGreaterThan(250);
});

it('each destination goes at its own pace', async () => {
  const { connections, records } = await startConnections();
  const slow = await new Receiver().start();
  slow.otherwise = answering(503);
  const behind = await connect(connections, { name: 'slow', endpoint_url: slow.url });
  await connect(connections, toReceiver({ name: 'quick' }));
  const lines = records.lines('a', 600);
  await took(lines);
  expect(connections.status(behind.id)).toMatchObject({ sent: 0, cursor: 0 });
  await slow.stop();
});

describe('a restart', () => {
  it('in the middle goes on where the receiver’s last yes was', async () => {
    const first = await startConnections();
    const { id } = await connect(first.connections, toReceiver());
    const { records, folder } = first;
    // Two requests are taken, the third is under way when weir is killed.
    receiver.script.push(answering(200), answering(200), () => undefined);
    const lines = records.lines('a', 2000);
    await until('the third is under way', () => receiver.requests.length === 3);
    await kill(first.connections);
    expect(receiver.taken).toHaveLength(2);
    const second = await startConnections({ records, folder });
    await took(lines);
    expect(linesOf(receiver.logs)).toEqual(lines);
    await until('it is at the end', () => second.connections.status(id)!.cursor === 2000);
  });

  it('sends what was stored while weir was not there', async () => {
    const { connections, records, folder } = await startConnections();
    await connect(connections, toReceiver());
    const lines = records.lines('before', 3);
    await took(lines);
    await kill(connections);
    lines.push(...records.lines('meanwhile', 3));
    await startConnections({ records, folder });
    await took(lines);
    expect(linesOf(receiver.logs)).toEqual(lines);
  });

  it('in order sends first what is there, as far as the time goes', async () => {
    const { connections, records } = await startConnections({ timing: { ...FAST, interval: 60_000 } });
    await connect(connections, toReceiver());
    const lines = records.lines('a', 1);
    await took(lines);
    lines.push(...records.lines('b', 700));
    await connections.stop(performance.now() + 5000);
    expect(linesOf(receiver.logs)).toEqual(lines);
  });

  it('does not wait for a receiver that is down', async () => {
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

  it('with a store that begins anew goes on at its end', async () => {
    const first = await startConnections();
    await connect(first.connections, toReceiver());
    await took(first.records.lines('a', 50));
    await kill(first.connections);
    const records = new Records();
    records.lines('lost', 5);
    await startConnections({ records, folder: first.folder });
    records.lines('new', 2);
    await took(Array<string>(52).fill(''));
    expect(linesOf(receiver.logs).slice(50)).toEqual(['new0', 'new1']);
  });
});

describe('it begins', () => {
  it.each([
    ['now', ['new0']],
    ['earliest', ['old2', 'old3', 'new0']],
    [4, ['old3', 'new0']],
    [1, ['old2', 'old3', 'new0']],
    [99, ['new0']],
  ])('from %s', async (from, expected) => {
    const { connections, records } = await startConnections();
    records.lines('old', 4);
    records.expire(3);
    const { id } = await connect(connections, toReceiver({ start_from: from }));
    records.lines('new', 1);
    await took(expected);
    expect(linesOf(receiver.logs)).toEqual(expected);
    expect(connections.status(id)!.dropped).toBe(0);
  });
});

it('what expires before it could be sent is counted', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver({ name: 'late', enabled: true }));
  receiver.otherwise = answering(503);
  records.lines('a', 1);
  await until('it waits', () => connections.status(id)!.state === 'retrying');
  records.lines('b', 600);
  records.expire(590);
  receiver.otherwise = answering(200);
  await until('it is through', () => connections.status(id)!.cursor === 601);
  expect(connections.status(id)).toMatchObject({ sent: 1 + 12, dropped: 588 });
  expect(connections.status(id)!.last_error).toBe('588 records had expired before they could be sent');
});

it('only what is wanted is sent, and the cursor moves over the rest', async () => {
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
  await took(['', '']);
  expect(linesOf(receiver.logs)).toEqual(['disk full', 'disk gone']);
  await until('it is at the end', () => connections.status(id)!.cursor === 6);
});

it('a store that does not answer is asked again', async () => {
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, toReceiver());
  records.broken = new Error('the reader has ended');
  const lines = records.lines('a', 3);
  await until('it is known', () => connections.status(id)!.last_error === 'the reader has ended');
  records.broken = undefined;
  await took(lines);
  expect(linesOf(receiver.logs)).toEqual(lines);
});

it('a receiver that says “at once” is not asked without a pause', async () => {
  const { connections, records } = await startConnections({
    timing: { ...FAST, firstRetry: 100, lastRetry: 100 },
  });
  await connect(connections, toReceiver());
  receiver.script.push(answering(503, '', { 'retry-after': '0' }));
  await took(records.lines('a', 1));
  const [first, second] = receiver.requests;
  expect(second!.atMs - first!.atMs).toBeGreaterThan(45);
});

describe('spans', () => {
  /** One span for every record but those that have nothing to say. */
  const spans: ProjectSpans = (records, serviceName) => {
    const wanted = records.filter(({ message }) => !message.startsWith('silent'));
    if (records.some(({ message }) => message === 'poison')) throw new TypeError('cannot be told');
    return wanted.length === 0 ? [] : [groupOf(wanted, serviceName)];
  };
  const groupOf = (records: readonly LogRecord[], serviceName: string) => ({
    ...emptyOf(tracesRequest.resourceSpans[1].fields),
    resource: { attributes: new Map([['service.name', serviceName]]), droppedAttributesCount: 0 },
    scopeSpans: [
      {
        ...emptyOf(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields),
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

  it('go the same way, and records without any are passed over', async () => {
    const { connections, records } = await startConnections({ spans });
    const { id } = await connect(connections, toReceiver({ signal: 'traces', service_name: 'truss-server' }));
    records.add({ ...ids, message: 'silent' });
    await until('it is passed over', () => connections.status(id)!.cursor === 1);
    records.add({ ...ids, message: 'predict' }, { message: 'a line' }, { ...ids, message: 'silent too' });
    await until('it is at the end', () => connections.status(id)!.cursor === 4);
    expect(names()).toEqual(['predict']);
    const [request] = receiver.taken.map(spansIn);
    expect(request!.resourceSpans[0]!.resource.attributes).toEqual([
      { key: 'service.name', value: { stringValue: 'truss-server' } },
    ]);
  });

  it('that cannot be written hold back no others', async () => {
    const { connections, records } = await startConnections({ spans });
    const { id } = await connect(connections, toReceiver({ signal: 'traces' }));
    records.add(...['a', 'b', 'poison', 'c', 'd'].map((message) => ({ ...ids, message })));
    await until('it is at the end', () => connections.status(id)!.cursor === 5);
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
    expect(connections.status(id)).toMatchObject({
      sent: 4,
      rejected: 1,
      last_error: 'cannot be written as OTLP: cannot be told',
    });
  });
});

it('nobody waits for a store that hangs', async () => {
  const records = new Records();
  let isHanging = false;
  const open: Logs['feed'] = (wanted) => {
    const feed = records.open(wanted);
    if ('problem' in feed) return feed;
    return {
      ...feed,
      read: (after, limit) => (isHanging ? new Promise(() => undefined) : feed.read(after, limit)),
    };
  };
  const { connections } = await startConnections({ openFeed: open });
  const { id } = await connect(connections, toReceiver());
  isHanging = true;
  records.lines('a', 1);
  await connections.stop(performance.now() + 50);
  expect(connections.status(id)!.cursor).toBe(0);
});
