// log.level debug: the lines of one request, from its arrival to its end.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Line, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  await closeGrpc();
});

const COMMON: ReadonlySet<string> = new Set(['time', 'level', 'request_id']);

/** The debug lines with this request id, without the fields that all of them have. */
const stepsOf = (weir: Weir, id: string): Line[] =>
  weir.lines
    .filter((line) => line['level'] === 'debug' && line['request_id'] === id)
    .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !COMMON.has(name))));

const number = expect.any(Number) as unknown;

/** Starts weir with one replica that serves one request at a time and responds to each request as `respond` says. */
const start = async (respond: (res: ServerResponse) => void, ...args: string[]): Promise<Weir> => {
  const replica = await startReplica((req, res) => {
    req.resume();
    req.on('end', () => respond(res));
  });
  return startWeir([
    `--replica=${replica.url}`,
    '--deployment-id=dep1',
    '--deployment-concurrency-target=1',
    '--log-level=debug',
    ...args,
  ]);
};

const post = (weir: Weir, path: string) => fetch(`${weir.url}${path}`, { method: 'POST', body: 'x' });

describe.each([
  ['fast lane', 'true'],
  ['HTTP/1.1 server', 'false'],
])('the %s', (by, fastLane) => {
  it('logs each step of a request that waits and is sent twice, in order', async () => {
    const pending: ServerResponse[] = [];
    const weir = await start((res) => void pending.push(res), `--proxy-fast-lane=${fastLane}`);
    const first = post(weir, '/first');
    await until('the first request arrived', () => pending.length === 1);
    const second = post(weir, '/second?key=secret');
    await weir.expectLine('the second request in the queue', ({ event }) => event === 'request queued');
    pending[0]!.end('one');
    await first;
    await until('the second request arrived', () => pending.length === 2);
    pending[1]!.writeHead(503).end();
    await until('the second attempt arrived', () => pending.length === 3);
    pending[2]!.end('two');
    const response = await second;
    expect(await response.text()).toBe('two');
    const id = response.headers.get('x-baseten-request-id')!;
    await weir.expectLine('the end', (line) => line.event === 'request closed' && line['request_id'] === id);
    expect(stepsOf(weir, id)).toEqual([
      { event: 'request accepted', by, method: 'POST', path: '/second', remote: '127.0.0.1' },
      { event: 'request routed', deployment: 'dep1', environment: 'production' },
      { event: 'request queued' },
      { event: 'replica leased', replica: 'r0', waited_ms: number },
      { event: 'attempt sent', replica: 'r0', attempt: 1 },
      { event: 'attempt failed; retrying', replica: 'r0', reason: 'answer', delay_ms: number },
      { event: 'replica leased', replica: 'r0', waited_ms: number },
      { event: 'attempt sent', replica: 'r0', attempt: 2 },
      { event: 'response head received', replica: 'r0', status: 200 },
      {
        event: 'request closed',
        protocol: 'http',
        cause: 'ok',
        status: 200,
        request_bytes: 1,
        response_bytes: 3,
        duration_ms: number,
      },
    ]);
    expect(JSON.stringify(weir.lines)).not.toContain('secret');
  });

  it('logs no route for an unknown deployment, and the cause of the refusal at the end', async () => {
    const weir = await start((res) => void res.end(), `--proxy-fast-lane=${fastLane}`);
    const id = (await post(weir, '/deployment/none/predict')).headers.get('x-baseten-request-id')!;
    await weir.expectLine('the end', (line) => line.event === 'request closed' && line['request_id'] === id);
    // The fast lane leaves refusals to the HTTP/1.1 server.
    expect(stepsOf(weir, id)).toEqual([
      {
        event: 'request accepted',
        by: 'HTTP/1.1 server',
        method: 'POST',
        path: '/deployment/none/predict',
        remote: '127.0.0.1',
      },
      expect.objectContaining({ event: 'request closed', cause: 'unknown_target', status: 404 }),
    ]);
  });
});

it('logs the submission and the run of a queued task under one request id', async () => {
  const weir = await start((res) => void res.end('{}'));
  const response = await fetch(`${weir.url}/deployment/dep1/async_predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model_input: {} }),
  });
  const { request_id: id } = (await response.json()) as { request_id: string };
  await until('the run is closed', () => stepsOf(weir, id).filter(isClosed).length === 2);
  const steps = stepsOf(weir, id).map(
    ({ event, by, status }) => by ?? (event === 'request closed' ? status : event),
  );
  // The run may begin before the response to the submission has ended.
  const ofSubmission = (step: unknown) => step === 'fast lane' || step === 201;
  expect(steps.filter(ofSubmission)).toEqual(['fast lane', 201]);
  expect(steps.filter((step) => !ofSubmission(step))).toEqual([
    'queue',
    'request routed',
    'replica leased',
    'attempt sent',
    'response head received',
    200,
  ]);
});

const isClosed = ({ event }: Line): boolean => event === 'request closed';

/** Starts weir with debug lines in front of a replica. */
const startDebug = (url: string): Promise<Weir> =>
  startWeir([`--replica=${url}`, '--deployment-id=dep1', '--log-level=debug']);

const FORWARDED = [
  'request routed',
  'replica leased',
  'attempt sent',
  'response head received',
  'request closed',
];

/** The steps of the only request that weir has served, once it is closed. */
async function onlySteps(weir: Weir): Promise<Line[]> {
  const closed = await weir.expectLine('the end', isClosed);
  return stepsOf(weir, closed['request_id'] as string);
}

it('logs each step of a gRPC call', async () => {
  const weir = await startDebug((await startGrpcReplica()).url);
  await new TestClient(weir.port).unary('emptyCall').outcome;
  const [accepted, ...others] = await onlySteps(weir);
  expect(accepted).toMatchObject({ event: 'request accepted', method: 'POST' });
  expect(others.map(({ event }) => event)).toEqual(FORWARDED);
  expect(others.at(-1)).toMatchObject({ protocol: 'grpc', cause: 'ok', status: 0 });
});

it('logs each step of a WebSocket', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const weir = await startDebug(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const client = new WebSocket(`ws://127.0.0.1:${weir.port}/chat?key=secret`);
  await once(client, 'open');
  client.close(1000);
  const [accepted, ...others] = await onlySteps(weir);
  server.close();
  expect(accepted).toMatchObject({ event: 'request accepted', method: 'GET', path: '/chat' });
  expect(others.map(({ event }) => event)).toEqual(FORWARDED);
  expect(others.at(-1)).toMatchObject({ protocol: 'websocket', cause: 'ok', status: 1000 });
  expect(JSON.stringify(weir.lines)).not.toContain('secret');
});

it('logs no step with log.level info', async () => {
  const weir = await start((res) => void res.end('ok'), '--log-level=info');
  const response = await post(weir, '/x');
  await weir.expectExchange(response.headers.get('x-baseten-request-id'));
  expect(weir.lines.filter(({ level }) => level === 'debug')).toEqual([]);
});
