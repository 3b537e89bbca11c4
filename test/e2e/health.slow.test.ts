// Health of replicas: probes, ejection, drain by an operator, restarts of supervised replicas.
import { connect } from 'node:http2';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { begin, call } from '../kit/client.ts';
import { freePort, unusedAddress } from '../kit/port.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const FREQUENT_PROBES = ['--pool-probe-interval=50ms', '--pool-probe-retry-interval=50ms'];
const FAST_PROBES = [...FREQUENT_PROBES, '--pool-probe-timeout=100ms'];

const expectState = (weir: Weir, replica: string, state: string) =>
  weir.expectMetric(`weir_replica_state{deployment_id="local",replica="${replica}",state="${state}"}`, 1);

/** Starts replicas whose handlers a test can replace. */
async function startAdjustable(count: number) {
  const handlers: RequestListener[] = Array.from({ length: count }, () => (_req, res) => void res.end('ok'));
  const replicas = await Promise.all(
    handlers.map((_, i) => startReplica((req, res) => handlers[i]!(req, res))),
  );
  return { handlers, replicas, args: replicas.flatMap(({ url }) => ['--replica', url]) };
}

it('marks a replica as down after probe_failures failed probes in a row, and not before', async () => {
  const { handlers, args } = await startAdjustable(1);
  let asked = 0;
  let failing = 0;
  handlers[0] = (req, res) => {
    if (req.url !== '/health') return void res.end('served');
    asked++;
    if (failing > 0) failing--;
    else return void res.end();
    res.writeHead(500).end();
  };
  const weir = await startWeir([
    ...args,
    // With the default time limit, so that only the replica fails probes, and not a busy machine.
    ...FREQUENT_PROBES,
    '--deployment-readiness-path=/health',
    '--pool-probe-failures=5',
  ]);
  await expectState(weir, 'r0', 'ready');
  failing = 4;
  await until('four probes have failed', () => failing === 0);
  const after = asked;
  await until('two more probes have arrived', () => asked > after + 1);
  expect(weir.lines.filter((line) => line.event === 'replica is down')).toEqual([]);
  failing = 1000;
  await expectState(weir, 'r0', 'down');
  failing = 0;
  await expectState(weir, 'r0', 'ready');
});

it('keeps a busy replica ready if its probes time out, but not if they fail', async () => {
  const { handlers, args } = await startAdjustable(1);
  let isSilent = false;
  let status = 200;
  let silences = 0;
  handlers[0] = (req, res) => {
    if (req.url !== '/health') return void (req.url === '/hold' || res.end('served'));
    if (isSilent) silences++;
    else res.writeHead(status).end();
  };
  const weir = await startWeir([
    ...args,
    ...FAST_PROBES,
    '--deployment-readiness-path=/health',
    '--pool-probe-failures=2',
  ]);
  await expectState(weir, 'r0', 'ready');
  const held = begin(weir.url, '/hold');
  held.on('error', () => undefined);
  held.end();
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 1);
  isSilent = true;
  await until('many probes got no response', () => silences > 6);
  expect((await call(weir.url, '/x')).text).toBe('served');
  expect(weir.lines.filter((line) => line.event === 'replica is down')).toEqual([]);
  isSilent = false;
  status = 503;
  await expectState(weir, 'r0', 'down');
  held.destroy();
});

it('marks a busy replica as down when busy_grace is over', async () => {
  const { handlers, args } = await startAdjustable(1);
  let isSilent = false;
  handlers[0] = (req, res) => void (req.url === '/hold' || isSilent || res.end());
  const weir = await startWeir([
    ...args,
    ...FAST_PROBES,
    '--deployment-readiness-path=/health',
    '--pool-probe-failures=2',
    '--pool-busy-grace=200ms',
  ]);
  await expectState(weir, 'r0', 'ready');
  const held = begin(weir.url, '/hold');
  held.on('error', () => undefined);
  held.end();
  isSilent = true;
  await expectState(weir, 'r0', 'down');
  held.destroy();
});

it('marks a hanging replica as down even while it gets requests', async () => {
  const { handlers, args } = await startAdjustable(1);
  let isHung = false;
  handlers[0] = (_, res) => void (isHung || res.end());
  const weir = await startWeir([
    ...args,
    ...FAST_PROBES,
    '--deployment-readiness-path=/health',
    '--pool-probe-failures=2',
    '--pool-busy-grace=300ms',
  ]);
  await expectState(weir, 'r0', 'ready');
  isHung = true;
  const traffic = setInterval(() => {
    const req = begin(weir.url, '/x');
    req.on('error', () => undefined);
    req.end();
    setTimeout(() => req.destroy(), 80);
  }, 50);
  try {
    await expectState(weir, 'r0', 'down');
  } finally {
    clearInterval(traffic);
  }
});

it('ejects a replica that breaks connections, never more than half of them, and takes it back', async () => {
  const { handlers, args } = await startAdjustable(2);
  const counts = [0, 0];
  const breaking: RequestListener = (req) => req.socket.destroy();
  const good =
    (i: number): RequestListener =>
    (_, res) =>
      void (counts[i]!++, res.end('good'));
  handlers[0] = breaking;
  handlers[1] = good(1);
  const weir = await startWeir([
    ...args,
    '--pool-probe-interval=50ms',
    '--pool-eject-failures=3',
    '--pool-eject-time=500ms',
    '--pool-slow-return=0s',
  ]);
  await weir.expectMetric('baseten_replicas_active', 2);
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) statuses.push((await call(weir.url, '/')).status);
  // All three went to the faulty replica: a request that was sent is not retried elsewhere.
  expect(statuses.filter((status) => status === 502).length).toBe(3);
  const ejected = await weir.expectLine('the ejection', (line) => line.event === 'replica is ejected');
  expect(ejected['replica']).toBe('r0');
  // The other replica becomes faulty too, but at least half must stay in use.
  handlers[1] = breaking;
  for (let i = 0; i < 5; i++) await call(weir.url, '/');
  await expectState(weir, 'r1', 'ready');
  handlers[0] = good(0);
  handlers[1] = good(1);
  await expectState(weir, 'r0', 'ready');
  await until('r0 serves again', async () => (await call(weir.url, '/')).status === 200 && counts[0]! > 0);
});

it('ejects no replica for responses of 4xx and 5xx', async () => {
  const { handlers, args } = await startAdjustable(2);
  handlers[0] = handlers[1] = (req, res) => void res.writeHead(Number(req.url!.slice(1))).end();
  const weir = await startWeir([...args, '--pool-eject-failures=1', '--proxy-retry-methods=']);
  await weir.expectMetric('baseten_replicas_active', 2);
  for (const status of [400, 404, 422, 429, 500, 502, 503])
    await call(weir.url, `/${status}`, { method: 'POST' });
  await weir.expectMetric('baseten_replicas_active', 2);
});

it('sends few requests at first to a replica that has come back', async () => {
  const counts = [0, 0];
  const replicas = await Promise.all(
    counts.map((_, i) =>
      startReplica((req, res) => void (counts[i]!++, req.url === '/hold' || res.end('x'))),
    ),
  );
  const weir = await startWeir([
    ...replicas.flatMap(({ url }) => ['--replica', url]),
    '--pool-probe-interval=50ms',
    '--pool-probe-retry-interval=50ms',
    '--pool-slow-return=1h',
  ]);
  await weir.expectMetric('baseten_replicas_active', 2);
  await replicas[1]!.close();
  await weir.expectMetric('baseten_replicas_active', 1);
  await startReplica(
    (req, res) => void (counts[1]!++, req.url === '/hold' || res.end('x')),
    replicas[1]!.port,
  );
  await weir.expectMetric('baseten_replicas_active', 2);
  counts.fill(0);
  const held = Array.from({ length: 22 }, () => {
    const req = begin(weir.url, '/hold');
    req.on('error', () => undefined);
    req.end();
    return req;
  });
  await until('all are held', () => counts[0]! + counts[1]! === 22);
  // Its load is limited to a tenth of the other one's.
  expect(counts[1]).toBeLessThanOrEqual(3);
  expect(counts[1]).toBeGreaterThanOrEqual(1);
  for (const req of held) req.destroy();
});

it('drains a replica for an operator: running requests may end, no new ones come, until it is resumed', async () => {
  const { handlers, replicas, args } = await startAdjustable(2);
  const counts = [0, 0];
  for (const i of [0, 1])
    handlers[i] = (req, res) => void (counts[i]!++, req.url === '/hold' || res.end('x'));
  const weir = await startWeir([...args, ...FAST_PROBES, '--pool-slow-return=0s']);
  await weir.expectMetric('baseten_replicas_active', 2);
  const held = [begin(weir.url, '/hold'), begin(weir.url, '/hold')];
  for (const req of held) {
    req.on('error', () => undefined);
    req.end();
  }
  await until('each replica holds one', () => replicas.every(({ open }) => open === 1));
  const post = (path: string, headers = {}) => call(weir.admin, path, { method: 'POST', headers });
  expect((await post('/v1/replicas/local/r1/drain')).status).toBe(200);
  await expectState(weir, 'r1', 'draining');
  const before = counts[1];
  for (let i = 0; i < 6; i++) await call(weir.url, '/');
  expect(counts[1]).toBe(before);
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r1"}', 1);
  expect((await post('/v1/replicas/local/r1/resume')).status).toBe(200);
  await expectState(weir, 'r1', 'ready');
  for (let i = 0; i < 6; i++) await call(weir.url, '/');
  expect(counts[1]).toBeGreaterThan(before!);
  for (const req of held) req.destroy();
  // Unknown names, a wrong method, and a request from a foreign web page in a local browser.
  expect((await post('/v1/replicas/local/nobody/drain')).status).toBe(404);
  expect((await post('/v1/replicas/other/r1/drain')).status).toBe(404);
  expect((await call(weir.admin, '/v1/replicas/local/r1/drain')).status).toBe(405);
  expect((await post('/v1/replicas/local/r1/drain', { origin: 'https://evil.example' })).status).toBe(403);
  await expectState(weir, 'r1', 'ready');
});

it('restarts a supervised replica that fails its liveness probe, and one that does not become ready', async () => {
  const port = await freePort();
  const source = `
    const { createServer } = require('node:http');
    const { existsSync, writeFileSync } = require('node:fs');
    const isFirst = !existsSync(process.env.MARK + '0');
    const isSecond = !isFirst && !existsSync(process.env.MARK + '1');
    writeFileSync(process.env.MARK + (isFirst ? '0' : '1'), '');
    let isAlive = true;
    // The first never listens; the second fails its liveness probe after /break.
    if (isFirst) setInterval(() => undefined, 1000);
    else createServer((req, res) => {
      if (req.url === '/break') isAlive = false;
      if (req.url === '/live') res.statusCode = isAlive ? 200 : 500;
      res.end(String(process.pid));
    }).listen(${port}, '127.0.0.1');
  `;
  const mark = join(mkdtempSync(join(tmpdir(), 'weir-')), 'mark');
  const weir = await startWeir(
    [
      '--replica',
      `http://127.0.0.1:${port}`,
      ...FAST_PROBES,
      '--deployment-liveness-path=/live',
      '--pool-liveness-failures=3',
      '--pool-startup-timeout=1s',
      '--child-restart-delay=50ms',
    ],
    { command: 'run', rest: [process.execPath, '-e', source], env: { MARK: mark } },
  );
  await weir.expectLine(
    'the restart of the first',
    (line) =>
      line.event === 'replica failed its probes; restarting it' &&
      String(line['reason']).startsWith('not ready within 1000 ms'),
  );
  await weir.expectMetric('baseten_replicas_active', 1);
  const first = (await call(weir.url, '/')).text;
  await call(weir.url, '/break');
  await weir.expectLine(
    'the restart of the second',
    (line) =>
      line.event === 'replica failed its probes; restarting it' &&
      line['reason'] === 'liveness probe failed 3 times: GET /live returned 500',
  );
  await until('another process serves', async () => (await call(weir.url, '/')).text !== first);
  await weir.expectMetric('baseten_container_restarts_total', 2);
  await weir.expectMetric('weir_replica_alive{deployment_id="local",replica="r0"}', 1);
});

it.each([
  ['the name of a service', 'model.Alive', 'health check of model.Alive returned NOT_SERVING'],
  ['the server as a whole', '*', 'health check returned NOT_SERVING'],
])('restarts a supervised gRPC replica that fails its liveness probe, by %s', async (_, service, reason) => {
  const port = await freePort();
  const source = `
    const { createServer } = require('node:http2');
    let isAlive = true;
    createServer().on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      const chunks = [];
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('end', () => {
        const name = Buffer.concat(chunks).subarray(7).toString();
        if (headers[':path'] === '/x.Y/Break') isAlive = false;
        const asksAlive = name === ${JSON.stringify(service === '*' ? '' : service)};
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, asksAlive && !isAlive ? 2 : 1]));
      });
    }).listen(${port}, '127.0.0.1');
  `;
  const weir = await startWeir(
    [
      '--replica',
      `grpc://127.0.0.1:${port}`,
      ...FAST_PROBES,
      '--deployment-health-service=model.Ready',
      `--deployment-liveness-service=${service}`,
      '--pool-liveness-failures=3',
      '--child-restart-delay=50ms',
    ],
    { command: 'run', rest: [process.execPath, '-e', source] },
  );
  await weir.expectMetric('baseten_replicas_active', 1);
  expect(weir.lines.some((line) => line.event === 'replica failed its probes; restarting it')).toBe(false);
  const session = connect(weir.url);
  const call = session.request({
    ':method': 'POST',
    ':path': '/x.Y/Break',
    'content-type': 'application/grpc',
  });
  call.resume().end(Buffer.alloc(5));
  await once(call, 'close');
  session.close();
  const line = await weir.expectLine(
    'the restart',
    (one) => one.event === 'replica failed its probes; restarting it',
  );
  expect(line['reason']).toBe(`liveness probe failed 3 times: ${reason}`);
  await weir.expectMetric('baseten_container_restarts_total', 1);
  await weir.expectMetric('weir_replica_alive{deployment_id="local",replica="r0"}', 1);
});

it('counts an open WebSocket against concurrency_target', async () => {
  const { replicas } = await startAdjustable(1);
  replicas[0]!.server.on('upgrade', (_, socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
  writeFileSync(
    file,
    `deployments: [{ concurrency_target: 1, max_queue: 0, replicas: [{ url: "${replicas[0]!.url}" }] }]`,
  );
  const weir = await startWeir(['--config', file]);
  const req = begin(weir.url, '/ws', {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'eA==',
      'sec-websocket-version': '13',
    },
  });
  req.end();
  const [, socket] = (await once(req, 'upgrade')) as [unknown, { destroy(): void }];
  expect((await call(weir.url, '/')).status).toBe(429);
  socket.destroy();
  await until('the replica is free again', async () => (await call(weir.url, '/')).status === 200);
});

it('warns once about a replica that was never reachable, and readiness checks give the reason', async () => {
  const unused = await unusedAddress();
  const weir = await startWeir(['--replica', unused.url, ...FAST_PROBES]);
  const warning = await weir.expectLine('the warning', (line) => line.event === 'replica is not ready');
  expect(warning).toMatchObject({ level: 'warn', deployment: 'local', replica: 'r0', url: unused.url });
  expect(warning['problem']).toBe(`connection refused (127.0.0.1:${unused.port})`);
  const why = new RegExp(
    `^r0 connection refused \\(127\\.0\\.0\\.1:${unused.port}\\), last probe \\d+ s ago$`,
  );
  const res = await fetch(`${weir.admin}/readyz`);
  expect(res.status).toBe(503);
  expect(await res.json()).toEqual({
    status: 'no replica is ready',
    reason: expect.stringMatching(why) as string,
  });
  const { code, out } = await runWeir(['health', '--ready', `--admin=127.0.0.1:${weir.adminPort}`]);
  expect(code).toBe(1);
  expect(out).toMatch(/^\/readyz answered 503: no replica is ready: r0 connection refused \(127\.0\.0\.1:/);
  const probes = async () => (await weir.page()).sum('weir_replica_state');
  await until('the metrics page was read again', async () => (await probes()) >= 0);
  expect(weir.lines.filter((line) => line.event === 'replica is not ready')).toHaveLength(1);
});

it('names each replica and its reason when several are not ready', async () => {
  const unused = await unusedAddress();
  const loading = await startReplica((_, res) => res.writeHead(503).end());
  const weir = await startWeir([
    '--replica',
    unused.url,
    '--replica',
    loading.url,
    ...FAST_PROBES,
    '--deployment-readiness-path=/health',
  ]);
  const { reason } = (await (await fetch(`${weir.admin}/readyz`)).json()) as { reason: string };
  const [first, second] = reason.split('; ');
  expect(first).toContain('r0 connection refused (127.0.0.1:');
  expect(second).toContain('r1 GET /health returned 503, last probe');
});
