// From an id in a response to all that weir knows of the request, with the real binary and tracing off.
import { afterAll, afterEach, expect, it } from 'vitest';
import type { AsyncDetailJson } from '../../src/control/admin/records/async-json.ts';
import type { FindJson } from '../../src/control/admin/records/find-json.ts';
import type { RequestJson } from '../../src/control/admin/records/request-json.ts';
import type { FlatTraceJson } from '../../src/control/admin/records/trace-json.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeReplicas, onBody, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(stopAll);
afterEach(closeReplicas);
afterAll(removeFolders);

async function start(): Promise<Weir> {
  const replica = await startReplica((req, res) => {
    void onBody(req, () => {
      res
        .writeHead(req.url === '/broken' ? 500 : 200, { 'content-type': 'application/json' })
        .end('{"output":1}');
    });
  });
  return startWeir(['--replica', replica.url, '--data-dir', folder()]);
}

const json = async <T>(weir: Weir, path: string): Promise<T> => {
  const { status, text } = await call(weir.admin, path);
  expect(status, text).toBe(200);
  return JSON.parse(text) as T;
};

it('leads from the end of a request id to its waterfall and its details', async () => {
  const weir = await start();
  const { headers } = await call(weir.url, '/broken', { method: 'POST', body: '{"a":1}' });
  const id = String(headers['x-baseten-request-id']);
  await until(
    'the request is recorded',
    async () => (await json<FindJson>(weir, `/v1/find?id=${id}`)).found.length > 0,
  );
  const { found } = await json<FindJson>(weir, `/v1/find?id=${id.slice(-7)}`);
  expect(found).toMatchObject([{ kind: 'request', id, status: 500 }]);
  const trace = await json<FlatTraceJson>(weir, `/v1/traces/${id}?shape=flat`);
  expect(trace.trace_id).toBeNull();
  const types = trace.spans.map(({ type }) => type);
  expect([types[0], types.at(-1)]).toEqual(['request', 'replica']);
  expect(trace.spans[0]).toMatchObject({ is_error: true, status: 500 });
  const details = await json<RequestJson>(weir, `/v1/logs/${id}?with=details`);
  expect(details.bodies.request).toEqual({
    state: 'not_kept',
    bytes: 7,
    kept_bytes: 0,
    reason: 'not_captured',
    setting: { name: 'logs.capture', value: 'metadata' },
  });
  expect(details.task).toBeNull();
});

it('shows an asynchronous request with its run, as a task and as a waterfall', async () => {
  const weir = await start();
  const submitted = await call(weir.url, '/production/async_predict', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model_input":{"prompt":"hello"}}',
  });
  const { request_id: id } = JSON.parse(submitted.text) as { request_id: string };
  await until('submit and run are recorded', async () => {
    const { runs, submit_place: submit } = await json<AsyncDetailJson>(weir, `/v1/async/${id}`);
    return runs.length === 1 && submit !== null;
  });
  const detail = await json<AsyncDetailJson>(weir, `/v1/async/${id}`);
  expect(detail).toMatchObject({
    task: { id, state: 'SUCCEEDED', phase: 'done', attempts: 1, webhook_status: 'NO_WEBHOOK_PROVIDED' },
    runs: [{ status: 200, cause: 'ok' }],
  });
  const list = await json<{ tasks: { id: string }[] }>(weir, '/v1/async?state=succeeded');
  expect(list.tasks.map((one) => one.id)).toEqual([id]);
  const { spans } = await json<FlatTraceJson>(weir, `/v1/traces/${id}?shape=flat`);
  expect(spans[0]).toMatchObject({ type: 'request', depth: 0, status: 201 });
  expect(spans.filter(({ depth, type }) => depth === 1 && type === 'request')).toHaveLength(1);
  const kinds = (await json<FindJson>(weir, `/v1/find?id=${id}`)).found.map(({ kind }) => kind);
  expect(kinds).toEqual(['request', 'async']);
});
