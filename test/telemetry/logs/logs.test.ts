// The log store with its two threads and real files: recording never waits, and dropped records are counted.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { fileSink, Logger } from '../../../src/core/logger.ts';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import {
  Logs,
  RecorderClient,
  type LogRecord,
  type LogsConfig,
  type QueryNode,
  type SearchPage,
} from '../../../src/telemetry/logs/logs.ts';
import { folder } from '../../kit/folder.ts';
import { until } from '../../kit/until.ts';

const ALL = { node: { op: 'all' }, fromNs: 0n, toNs: 2n ** 62n, direction: 'up', after: undefined } as const;
const logged: string[] = [];
const sink = { ...fileSink(2), write: (line: string) => void logged.push(line), flush: () => undefined };
const log = new Logger(sink, { level: 'info', isText: false });
const origin = { deployment: 'dep1', environment: 'production', replica: 'abc12', source: 'api' };
const open = new Set<Logs>();

afterEach(async () => {
  logged.length = 0;
  for (const logs of open) await logs.stop(performance.now() + 5000);
  open.clear();
});

function start(path: string, more: Partial<LogsConfig> = {}): Logs {
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
      ...more,
    },
    new RecorderClient({ fd: -1, isText: false }),
    log,
  );
  open.add(logs);
  return logs;
}

const record = (message: string): LogRecord => ({
  ...origin,
  pod: '',
  modelId: '',
  seq: 0,
  kind: 'line',
  timeNs: BigInt(Date.now()) * 1_000_000n,
  severity: 9,
  message,
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  status: 0,
  durationNs: 0,
  attributes: '',
});

/** All records. Each page is limited in time, so that on a busy machine the first one may be empty. */
async function recordsOf(logs: Logs, node: QueryNode = ALL.node): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let after: SearchPage['next']; ;) {
    const page = await logs.page({ ...ALL, node, after, limit: 1000 });
    records.push(...page.records);
    if (page.next === undefined) return records;
    after = page.next;
  }
}

const messages = async (logs: Logs): Promise<string[]> =>
  (await recordsOf(logs)).map(({ message }) => message);

/** Records an exchange that has ended, and returns its id. */
function request(logs: Logs, target = '/predict?key=hidden', isTraced = false): string {
  const exchanges = new Exchanges({ trust_inbound: false });
  if (isTraced) exchanges.sample(() => true);
  exchanges.observe({ closed: (one) => logs.requestEnded(one, { id: 'dep1', environment: 'production' }) });
  const exchange = exchanges.open(undefined);
  exchange.method = 'POST';
  exchange.target = target;
  if (isTraced) exchange.trace(undefined);
  exchange.close('ok', 200);
  return exchange.id;
}

describe('a posted record', () => {
  it('is cut to the length of a line, and is marked', async () => {
    const logs = start(folder());
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'v'.repeat(50)]));
    await logs.post([
      { ...record(`x${'é'.repeat(4000)}`), attributes: JSON.stringify({ name: 'kept' }) },
      { ...record('wide'), attributes: JSON.stringify({ name: 'kept', ...many }) },
    ]);
    const [long, wide] = await recordsOf(logs);
    expect(long!.message).toBe(`x${'é'.repeat(2047)}`);
    expect(JSON.parse(long!.attributes)).toEqual({ is_cut: true, bytes: 8001, name: 'kept' });
    expect(JSON.parse(wide!.attributes)).toMatchObject({ name: 'kept', attributes_dropped: 5001 - 512 });
  });

  it('keeps attributes that are valid JSON after redaction', async () => {
    const logs = start(folder(), { redactPatterns: ['token.*'] });
    await logs.post([{ ...record('x'), attributes: JSON.stringify({ a: 'the token abc', b: 'stays' }) }]);
    const [{ attributes }] = (await recordsOf(logs)) as [LogRecord];
    expect(JSON.parse(attributes)).toEqual({ a: 'the [redacted]', b: 'stays' });
  });
});

describe('an annotation', () => {
  it('of a request is redacted, counted, and merged into the request', async () => {
    const logs = start(folder());
    const [id, other] = [request(logs), request(logs, '/other')];
    await until('both are stored', async () => (await messages(logs)).length === 2);
    const content = { scores: { quality: 0.9 }, comment: 'the key is password=hunter22' };
    expect(await logs.annotate({ requestId: id }, content)).toEqual({ stored: 1 });
    expect(logs.figures.stored).toEqual(new Map([['request', 2], ['annotation', 1]])); // prettier-ignore
    const node = { op: 'field', name: 'annotations.scores.quality', compare: '>', value: 0.5 } as const;
    // A page may be empty, since each call has limited time.
    const records = await until('the request is found', async () => {
      const found = (await logs.page({ ...ALL, node, limit: 10 })).records;
      return found.length > 0 && found;
    });
    expect(records.map(({ requestId }) => requestId)).toEqual([id]);
    expect(JSON.parse(records[0]!.attributes)).toMatchObject({
      method: 'POST',
      annotations: { scores: { quality: 0.9 }, comments: ['the key is password=[redacted]'] },
    });
    expect(await logs.at(logs.placeOf(records[0]!))).toEqual(records[0]);
    expect((await logs.after({ op: 'all' }, undefined, 10)).records).toMatchObject([
      { kind: 'request', requestId: id },
      { kind: 'request', requestId: other },
      {
        kind: 'annotation',
        requestId: id,
        source: 'api',
        pod: 'pod1-0a1b2c3d',
        message: 'score quality=0.9, comment',
      },
    ]);
  });

  it('of a trace is merged into its requests, and not into their lines', async () => {
    const logs = start(folder());
    const id = request(logs, '/predict', true);
    await until('it is stored', async () => (await messages(logs)).length === 1);
    const [{ traceId, spanId }] = (await logs.page({ ...ALL, limit: 10 })).records as [LogRecord];
    expect(spanId).toMatch(/^[0-9a-f]{16}$/);
    await logs.post([{ ...record('line'), requestId: id, traceId, spanId }]);
    await logs.annotate({ traceId }, { tags: ['by trace'] });
    await logs.annotate({ traceId, spanId }, { tags: ['by span'] });
    const node = { op: 'exists', name: 'annotations.tags' } as const;
    const { records } = await logs.page({ ...ALL, node, limit: 10 });
    expect(records.map(({ kind, attributes }) => [kind, JSON.parse(attributes)])).toMatchObject([
      ['request', { annotations: { tags: ['by trace', 'by span'] } }],
    ]);
  });

  it('that is wrong is refused, and not stored', async () => {
    const logs = start(folder());
    expect(await logs.annotate({ seq: -1 }, { tags: ['x'] })).toEqual({
      invalid: 'invalid seq -1; use the sequence number of a record',
    });
    expect(await messages(logs)).toEqual([]);
  });
});

describe('the log store', () => {
  it('returns requests without their query string, lines and posted records', async () => {
    const logs = start(folder());
    const id = request(logs);
    const stream = logs.openStream(origin);
    stream.write(Buffer.from(`{"levelname":"INFO","message":"one","request_id":"${id}"}\ntw`));
    stream.write(Buffer.from('o\n'));
    expect(await logs.post([record('three')])).toEqual({ stored: 1 });
    expect(await logs.postLines(Buffer.from('four\nfive'), origin, 2)).toEqual({ stored: 2 });
    await until('all are stored', async () => (await messages(logs)).length === 6);
    expect((await messages(logs)).toSorted()).toEqual(
      ['POST /predict 200', 'one', 'two', 'three', 'four', 'five'].toSorted(),
    );
    const records = await recordsOf(logs, { op: 'field', name: 'requestId', compare: '=', value: id });
    expect(records.map(({ kind }) => kind).toSorted()).toEqual(['line', 'request']);
    expect(logs.figures.stored).toEqual(new Map([['request', 1], ['line', 5]])); // prettier-ignore
  });

  it('is opened by the first line of a stream, not by the stream', async () => {
    let isLocked = false;
    const logs = start(folder(), {
      own: () => {
        if (!isLocked) throw new Error('the data folder is not locked yet');
        return { pod: 'pod1-0a1b2c3d', modelId: 'mdl1' };
      },
    });
    const stream = logs.openStream(origin);
    stream.setOrigin({ ...origin, replica: 'def34' });
    isLocked = true;
    stream.write(Buffer.from('first\n'));
    await until('it is stored', () => logs.figures.stored.get('line') === 1);
    expect(await recordsOf(logs)).toMatchObject([
      { message: 'first', replica: 'def34', pod: 'pod1-0a1b2c3d' },
    ]);
  });

  it('groups records by a field', async () => {
    const logs = start(folder());
    await logs.post(['a', 'b', 'c'].map((message) => record(message)));
    const query = { ...ALL, by: [{ field: 'message' }], measures: [{ op: 'count' }] } as const;
    const { groups, ...rest } = await logs.group(query);
    expect(new Map(groups.map(({ key, values }) => [key[0], values[0]]))).toEqual(new Map([['a', 1], ['b', 1], ['c', 1]])); // prettier-ignore
    expect(rest).toEqual({ matched: 3, others: 0, isApproximate: false, isPartial: false });
    await expect(logs.group({ ...query, by: [{ stepMs: 0 }] })).rejects.toThrow('invalid time step 0');
  });

  it('keeps records across a restart and continues the sequence numbers', async () => {
    const path = folder();
    const first = start(path);
    await first.post([record('before')]);
    await first.stop(performance.now() + 5000);
    const second = start(path);
    await second.post([record('after')]);
    expect(await recordsOf(second)).toMatchObject([
      { seq: 1, message: 'before' },
      { seq: 2, message: 'after' },
    ]);
  });

  it('redacts secrets in posted records and requests', async () => {
    const logs = start(folder(), { redactPatterns: ['cust-\\d+'] });
    await logs.post([
      { ...record('password=hunter22 of cust-123'), attributes: '{"api_key":"abcdefgh1234"}' },
    ]);
    request(logs, '/of/cust-123/api_key=abcdefgh1234/Bearer hunter22');
    await until('both are stored', async () => (await messages(logs)).length === 2);
    const records = await recordsOf(logs);
    expect(records.map(({ message, attributes }) => message + attributes).join()).not.toMatch(
      /hunter22|abcdefgh1234|cust-123/,
    );
    expect(() => JSON.parse(records[0]!.attributes)).not.toThrow();
  });

  it('calls listeners after records were stored, until they are removed', async () => {
    const logs = start(folder());
    let calls = 0;
    const stop = logs.onStored(() => calls++);
    await logs.post([record('one')]);
    expect(calls).toBe(1);
    stop();
    await logs.post([record('two')]);
    expect(calls).toBe(1);
  });
});

describe('a store that is locked', () => {
  it('does not block recording, drops and counts what exceeds the limit, and stores the rest later', async () => {
    const path = folder();
    const logs = start(path);
    await logs.post([record('first')]);
    const name = readdirSync(path).find((one) => one.startsWith('logs-') && one.endsWith('.sqlite'));
    const holder = new DatabaseSync(join(path, name!));
    holder.exec('BEGIN IMMEDIATE');
    const piece = Buffer.from(`${'x'.repeat(1000)}\n`.repeat(64));
    const stream = logs.openStream(origin);
    let longestMs = 0;
    for (let i = 0; i < 3000; i++) {
      const beganMs = performance.now();
      stream.write(piece);
      longestMs = Math.max(longestMs, performance.now() - beganMs);
    }
    expect(logs.figures.dropped.get('queue_full')).toBeGreaterThan(1000);
    expect(logs.figures.queuedBytes).toBeLessThanOrEqual(64 * 2 ** 20);
    await until('the recorder waits for the lock', () => logs.figures.lagSeconds > 0);
    holder.exec('ROLLBACK');
    holder.close();
    await until('all is stored', () => logs.figures.queuedBytes === 0, 60_000);
    await until('nothing waits', () => logs.figures.lagSeconds === 0);
    expect(logs.figures.stored.get('line')).toBeGreaterThan(30_000);
    // No write waited for the store, which was locked for seconds.
    expect(longestMs).toBeLessThan(1000);
  });
});

describe('a damaged page', () => {
  it('is counted and reported, and new records are stored', async () => {
    const path = folder();
    const first = start(path);
    await first.post([record('lost')]);
    await first.stop(performance.now() + 5000);
    open.delete(first);
    const name = readdirSync(path).find((one) => /^logs-.*\.sqlite$/.test(one))!;
    const file = new DatabaseSync(join(path, name));
    file.exec("UPDATE tail SET page = x'0011223344556677'");
    file.close();
    const logs = start(path);
    expect(await logs.post([record('stored')])).toEqual({ stored: 1 });
    expect(logs.figures.damaged).toBe(1);
    expect(logged.join()).toContain('part of the log store is damaged and was set aside');
    expect(await messages(logs)).toEqual(['stored']);
  });
});

describe('a full ring', () => {
  const deployment = { id: 'dep1', environment: 'production' };
  const ended = () => {
    const exchange = new Exchanges({ trust_inbound: false }).open(undefined);
    exchange.close('ok', 200);
    return exchange;
  };
  const MANY = 60_000;

  it('drops and counts requests, and their lines of the access log', () => {
    // Until the thread is started, nothing is read from the ring.
    const recorder = new RecorderClient({ fd: 1, isText: false });
    const exchange = ended();
    for (let i = 0; i < MANY; i++) recorder.input.request(exchange, deployment, true);
    expect(recorder.unreadBytes).toBeGreaterThan(4_190_000);
    expect(recorder.input.figures.get('droppedRequests')).toBeGreaterThan(1000);
    expect(recorder.sink.dropped()).toBe(recorder.input.figures.get('droppedRequests'));
  });

  it('drops and counts lines of the access log alone, if requests are not stored', () => {
    const recorder = new RecorderClient({ fd: 1, isText: false });
    const exchange = ended();
    for (let i = 0; i < MANY; i++) recorder.input.request(exchange, deployment, false);
    expect(recorder.sink.dropped()).toBeGreaterThan(1000);
    expect(recorder.input.figures.get('droppedRequests')).toBe(0);
  });
});

describe('a flood of lines of one letter', () => {
  it('is limited in number, its dropped lines are counted, and the others are stored', async () => {
    const logs = start(folder());
    const stream = logs.openStream(origin);
    const piece = Buffer.from('y\n'.repeat(4096));
    for (let i = 0; i < 500; i++) stream.write(piece);
    const dropped = logs.figures.dropped.get('queue_full')!;
    // 64 MiB, with 512 bytes per line.
    expect((500 - dropped) * 4096).toBeLessThan(140_000);
    const accepted = (500 - dropped) * 4096;
    // The last line waits a moment for a line that continues it.
    await until('the accepted lines are stored', () => logs.figures.stored.get('line') === accepted, 60_000);
  });
});

describe('a folder that cannot be used', () => {
  it('is reported, and its dropped records are counted', async () => {
    const path = join(folder({ file: 'no folder' }), 'file', 'logs');
    const logs = start(path);
    expect(await logs.post([record('one')])).toEqual({ problem: 'store_unusable' });
    expect(logged.join()).toMatch(/log store is not being written.*cannot be used/);
    expect(logs.figures.dropped.get('store_unusable')).toBe(1);
    await expect(logs.page({ ...ALL, limit: 1 })).rejects.toThrow(/not a directory/);
  });

  it('is refused if another weir uses it', async () => {
    const path = folder();
    const first = start(path);
    await first.post([record('one')]);
    const second = start(path);
    expect(await second.post([record('two')])).toEqual({ problem: 'store_unusable' });
    expect(logged.join()).toMatch(/in use by another weir/);
  });

  it('may contain other files', async () => {
    const path = folder();
    writeFileSync(join(path, 'logs-notes.txt'), 'mine');
    const logs = start(path);
    expect(await logs.post([record('one')])).toEqual({ stored: 1 });
  });
});
