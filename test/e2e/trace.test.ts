// Traces with the real binary: the traceparent that a replica gets and the stored record belong to the same trace.
import { Agent } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childSpanId, REPLICA_SPAN } from '../../src/core/exchange/identity.ts';
import { spansOf } from '../../src/telemetry/tracing/request-spans.ts';
import { call, type ClientResponse } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { recordsIn, expectRequestRecord, type StoredRecord } from '../kit/stored-records.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { closeReplicas, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll } from '../kit/weir.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const idOf = ({ headers }: ClientResponse): string => String(headers['x-baseten-request-id']);
const partsOf = (traceparent: string | undefined) => {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])$/.exec(traceparent ?? '');
  if (match === null) throw new Error(`no traceparent: ${traceparent}`);
  return { traceId: match[1]!, spanId: match[2]!, isSampled: match[3] === '01' };
};

let replica: Replica;
let data: string;
/** The traceparent that the replica got, by path. */
let traceparents: Map<string, string>;
let statusOf: (path: string) => number;

beforeEach(async () => {
  data = folder();
  traceparents = new Map();
  statusOf = () => 200;
  replica = await startReplica((req, res) => {
    void onBody(req, () => {
      traceparents.set(req.url!, String(req.headers['traceparent']));
      res.writeHead(statusOf(req.url!), { 'content-type': 'application/json' }).end('{"output":1}');
    });
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

const start = (args: string[] = [], { to = replica.url, dir = data } = {}) =>
  startWeir(['--replica', to, '--data-dir', dir, '--trace-enabled=true', '--proxy-retry-methods=', ...args]);

for (const lane of ['fast', 'full'])
  describe(`in the ${lane} lane`, () => {
    const here = `--proxy-fast-lane=${lane === 'fast'}`;

    it('makes a request a child of the client’s span, and the replica’s spans children of the request', async () => {
      const weir = await start([here]);
      const headers = { traceparent: `00-${TRACE}-${SPAN}-01` };
      // One connection, since each data thread has connections of its own to the replica.
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const id = idOf(await call(weir.url, '/x', { headers, agent }));
      const record = await expectRequestRecord(data, id);
      expect(record).toMatchObject({ traceId: TRACE, parentSpanId: SPAN });
      expect(record.fields['is_sampled']).toBe(true);
      expect(partsOf(traceparents.get('/x'))).toEqual({
        traceId: TRACE,
        spanId: childSpanId(record.spanId, REPLICA_SPAN),
        isSampled: true,
      });
      const [own, ...below] = spansOf(record, { modelId: 'mdl1', scheme: 'http', genAi: 'common' });
      expect(own).toMatchObject({ spanId: record.spanId, parentSpanId: SPAN, traceId: TRACE });
      expect(below.map(({ parentSpanId }) => new Set([parentSpanId]))).toEqual(
        below.map(() => new Set([record.spanId])),
      );
      // The first request finds no connection.
      expect(below.map(({ name }) => name)).toEqual(['weir.connect', 'GET']);
      expect(below.at(-1)!.spanId).toBe(partsOf(traceparents.get('/x')).spanId);
      const again = await expectRequestRecord(data, idOf(await call(weir.url, '/again', { agent })));
      agent.destroy();
      expect(
        spansOf(again, { modelId: '', scheme: 'http', genAi: 'common' }).map(({ name }) => name),
      ).toEqual(['GET', 'GET']);
      expect(again).toMatchObject({ parentSpanId: '' });
      expect(partsOf(traceparents.get('/again')).traceId).toBe(again.traceId);
    });

    it('does not sample what the client does not sample, but always samples failures', async () => {
      const weir = await start([here]);
      statusOf = (path) => (path === '/fails' ? 500 : path === '/missing' ? 404 : 200);
      const sampled = new Map<string, unknown>();
      for (const path of ['/works', '/missing', '/fails']) {
        const headers = { traceparent: `00-${TRACE}-${SPAN}-00` };
        const record = await expectRequestRecord(data, idOf(await call(weir.url, path, { headers })));
        expect(partsOf(traceparents.get(path)).isSampled).toBe(false);
        sampled.set(path, record.fields['is_sampled'] ?? false);
      }
      expect(Object.fromEntries(sampled)).toEqual({ '/works': false, '/missing': false, '/fails': true });
    });
  });

describe('a gRPC call', () => {
  it('has a span, and its bodies are never stored', async () => {
    const calls = await startGrpcReplica();
    const weir = await start(['--logs-capture=full'], { to: calls.url });
    const { id } = await new TestClient(weir.port).unary('emptyCall').outcome;
    const record = await expectRequestRecord(data, id);
    const sent = partsOf(String(calls.seen.at(-1)!.get('traceparent')[0]));
    const [own, ...below] = spansOf(record, { modelId: '', scheme: 'http', genAi: 'common' });
    expect(own).toMatchObject({ name: 'example.TestService/EmptyCall', traceId: sent.traceId });
    expect(own!.attributes).toMatchObject({ 'rpc.system': 'grpc', 'rpc.grpc.status_code': 0 });
    expect(below.at(-1)).toMatchObject({ spanId: sent.spanId, kind: 3 });
    expect(record).toMatchObject({ request: undefined, response: undefined });
    await closeGrpc();
  });
});

describe('trace.sample_ratio', () => {
  it('samples the same traces in every weir', async () => {
    const inner = folder();
    const ratio = ['--trace-sample-ratio=0.5', '--trace-parent-based=false'];
    const behind = await start(ratio, { dir: inner });
    const front = await start(ratio, { to: behind.url });
    for (let i = 0; i < 40; i++) await call(front.url, `/${i}`);
    const records = async (dir: string) => {
      const all = await until('the record has all', () => {
        const seen = recordsIn(dir).filter(({ kind }) => kind === 'request');
        return seen.length >= 40 && seen;
      });
      return new Map(all.map((record) => [record.traceId, record.fields['is_sampled'] ?? false]));
    };
    const [outside, inside] = [await records(data), await records(inner)];
    expect(inside).toEqual(outside);
    expect(outside.size).toBe(40);
    expect(new Set(outside.values())).toEqual(new Set([true, false]));
    for (const traceparent of traceparents.values()) {
      const { traceId, isSampled } = partsOf(traceparent);
      expect(outside.get(traceId)).toBe(isSampled);
    }
  });

  it('samples nothing if it is 0 and always_on_error is false', async () => {
    const weir = await start(['--trace-sample-ratio=0', '--trace-always-on-error=false']);
    statusOf = () => 500;
    const record = await expectRequestRecord(data, idOf(await call(weir.url, '/x')));
    expect(record.fields).not.toHaveProperty('is_sampled');
  });
});

describe('an asynchronous request', () => {
  it('is one trace of submission, wait, attempt, replica and webhook delivery', async () => {
    let delivered = 0;
    const hook = await startReplica((req, res) => {
      void onBody(req, () => {
        delivered++;
        res.end();
      });
    });
    const weir = await start();
    const submit = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      headers: { traceparent: `00-${TRACE}-${SPAN}-01` },
      body: JSON.stringify({ model_input: {}, webhook_endpoint: `${hook.url}/secret?token=x` }),
    });
    expect(submit.status, submit.text).toBe(201);
    const id = idOf(submit);
    const run = await expectRequestRecord(data, id, ({ fields }) => fields['async'] === true);
    const first = await expectRequestRecord(data, id, ({ fields }) => fields['async'] !== true);
    expect(first).toMatchObject({ traceId: TRACE, parentSpanId: SPAN });
    expect(run).toMatchObject({ traceId: TRACE, parentSpanId: first.spanId });
    expect(run.fields['is_sampled']).toBe(true);
    const path = '/v1/models/model:predict';
    expect(partsOf(traceparents.get(path))).toMatchObject({
      traceId: TRACE,
      spanId: childSpanId(run.spanId, REPLICA_SPAN),
    });
    const wait = spansOf(run, { modelId: '', scheme: 'http', genAi: 'common' }).find(
      ({ name }) => name === 'weir.async_wait',
    )!;
    expect(wait.parentSpanId).toBe(first.spanId);
    expect(wait.startTimeUnixNano).toBeGreaterThanOrEqual(first.timeNs - 5_000_000n);
    const delivery = await until('the record has the delivery', () =>
      recordsIn(data).find(({ kind }) => kind === 'span'),
    );
    expect(delivered).toBe(1);
    expect(delivery).toMatchObject({ requestId: id, traceId: TRACE, parentSpanId: first.spanId });
    expect(delivery.fields).toMatchObject({
      name: 'POST',
      'weir.webhook.result': 'ok',
      'server.address': '127.0.0.1',
    });
    expect(delivery.attributes).not.toMatch(/secret|token/);
    expect(delivery.timeNs).toBeGreaterThanOrEqual(run.timeNs);
    // All spans are connected.
    const spans = [first, run].flatMap((record: StoredRecord) =>
      spansOf(record, { modelId: '', scheme: 'http', genAi: 'common' }),
    );
    const ids = new Set([SPAN, ...spans.map(({ spanId }) => spanId)]);
    for (const span of [...spans, delivery]) expect(ids.has(span.parentSpanId)).toBe(true);
  });

  it('keeps the trace id of its submission if it is not sampled, and has no spans', async () => {
    const weir = await startWeir(['--replica', replica.url, '--data-dir', data]);
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const submit = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      headers: { traceparent },
      body: '{"model_input":{}}',
    });
    const run = await expectRequestRecord(data, idOf(submit), ({ fields }) => fields['async'] === true);
    expect(traceparents.get('/v1/models/model:predict')).toBe(traceparent);
    expect(run).toMatchObject({ traceId: TRACE, spanId: '', parentSpanId: SPAN });
    expect(spansOf(run, { modelId: '', scheme: 'http', genAi: 'common' })).toEqual([]);
    // Without a traceparent, or with an invalid one, the run has none, so the replica's own sampler decides.
    for (const headers of [{}, { traceparent: 'junk', tracestate: 'a=1' }]) {
      const other = await call(weir.url, '/production/async_predict', {
        method: 'POST',
        headers,
        body: '{"model_input":{}}',
      });
      const itsRun = await expectRequestRecord(data, idOf(other), ({ fields }) => fields['async'] === true);
      expect(traceparents.get('/v1/models/model:predict')).toBe('undefined');
      expect(itsRun).toMatchObject({ traceId: '', spanId: '', parentSpanId: '' });
    }
  });
});

describe('settings', () => {
  it('are rejected with a message if they contradict each other', async () => {
    const { code, err } = await runWeir([
      'check',
      '--replica=http://127.0.0.1:1',
      '--trace-enabled=true',
      '--logs-capture=off',
    ]);
    expect(code).not.toBe(0);
    expect(err).toContain('trace.enabled is true, but logs.capture is off');
    const ratio = await runWeir(['check', '--replica=http://127.0.0.1:1', '--trace-sample-ratio=1.5']);
    expect(ratio.err).toContain('trace.sample_ratio is "1.5", must be a number from 0 to 1');
    const word = await runWeir(['check', '--replica=http://127.0.0.1:1', '--trace-sample-ratio=half']);
    expect(word.err).toContain('trace.sample_ratio is "half", must be a number from 0 to 1');
  });
});
