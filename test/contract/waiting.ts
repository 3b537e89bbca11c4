// The behaviour of the wait queue and of retries that both lanes share. One suite, run for each lane.
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, type RequestListener, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { begin, call } from '../kit/client.ts';
import { mirror, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const MIB = 1024 * 1024;

export function waitingContract(name: string, args: string[]): void {
  describe(`${name}: the wait queue`, () => {
    let handler: RequestListener;
    let one: Replica;
    let coldPort: number;
    let weir: Weir;
    /** Responses that the replica has not sent yet, in the order of their requests. */
    let pending: { url: string; res: ServerResponse }[];

    beforeAll(async () => {
      one = await startReplica((req, res) => handler(req, res));
      const cold = await startReplica(mirror);
      coldPort = cold.port;
      await cold.close();
      const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
      const full = `concurrency_target: 1, replicas: [{ url: "${one.url}" }]`;
      writeFileSync(
        file,
        `deployments:
  - { id: one, environment: one, max_queue: 3, ${full} }
  - { id: reject, environment: reject, backpressure: reject_on_full, ${full} }
  - { id: short, environment: short, queue_timeout: 300ms, ${full} }
  - { id: cold, environment: cold, replicas: [{ url: "http://127.0.0.1:${coldPort}" }] }
pool: { probe_interval: 1d, probe_retry_interval: 50ms, max_queue_bytes: 8MiB }
`,
      );
      weir = await startWeir(['--config', file, ...args]);
    });
    beforeEach(() => {
      pending = [];
      handler = (req, res) => void pending.push({ url: req.url!, res });
    });
    afterAll(async () => {
      await weir.stop('SIGKILL');
      await one.close();
    });

    const expectWaiting = (count: number, deployment = 'one') =>
      weir.expectMetric(`weir_queue_length{deployment_id="${deployment}"}`, count);
    const holds = (count: number, deployment = 'one') =>
      weir.expectMetric(
        `weir_replica_outstanding_requests{deployment_id="${deployment}",replica="r0"}`,
        count,
      );
    const expectConcurrent = (count: number, deployment = 'one') =>
      weir.expectMetric(
        `baseten_concurrent_requests{model_id="local",model_name="local",deployment_id="${deployment}",environment="${deployment}",rollout_phase="stable"}`,
        count,
      );
    const at = (deployment: string, path: string) => `/deployment/${deployment}/sync${path}`;
    const expectReceived = (count: number) =>
      until(`the replica has ${count}`, () => pending.length === count);

    it('sends a replica no more requests than its target, and the others in order of arrival', async () => {
      const responses = [call(weir.url, at('one', '/0'))];
      await expectReceived(1);
      for (let i = 1; i <= 3; i++) {
        responses.push(call(weir.url, at('one', `/${i}`)));
        await expectWaiting(i);
      }
      await expectConcurrent(4);
      for (let i = 0; i <= 3; i++) {
        await expectReceived(i + 1);
        expect(pending.map(({ url }) => url)).toEqual(['/0', '/1', '/2', '/3'].slice(0, i + 1));
        pending[i]!.res.end(String(i));
        const response = await responses[i]!;
        expect([response.status, response.text]).toEqual([200, String(i)]);
        const line = await weir.expectExchange(response.headers['x-baseten-request-id'] as string);
        const queued = Number(/queue;dur=([\d.]+)/.exec(String(response.headers['server-timing']))![1]);
        if (i === 0) expect([line['queue_ms'], queued]).toEqual([0, 0]);
        else {
          expect(line['queue_ms']).toBeGreaterThan(0);
          expect(queued).toBeCloseTo(line['queue_ms'] as number, 0);
        }
      }
      await expectConcurrent(0);
      await holds(0);
      const page = await weir.page();
      expect(page.value('weir_queue_wait_seconds_count{deployment_id="one"}')).toBe(4);
      expect(page.value('weir_queue_wait_seconds_bucket{deployment_id="one",le="+Inf"}')).toBe(4);
      expect(page.value('weir_queue_wait_seconds_sum{deployment_id="one"}')).toBeGreaterThan(0);
    });

    it('responds 429 when the wait queue is full', async () => {
      const running = call(weir.url, at('one', '/run'));
      await expectReceived(1);
      const waiting = [1, 2, 3].map((i) => call(weir.url, at('one', `/${i}`)));
      await expectWaiting(3);
      const refused = await call(weir.url, at('one', '/too-many'), { method: 'POST', body: '{}' });
      expect([refused.status, refused.headers['x-weir-cause'], refused.headers['retry-after']]).toEqual([
        429,
        'queue_full',
        '1',
      ]);
      expect(JSON.parse(refused.text)).toMatchObject({ error_code: 'rate_limited' });
      for (let i = 0; i < 4; i++) {
        await expectReceived(i + 1);
        pending[i]!.res.end();
      }
      await Promise.all([running, ...waiting]);
      expect(pending.map(({ url }) => url)).not.toContain('/too-many');
    });

    it('responds 529 when all replicas are full and the deployment has reject_on_full', async () => {
      const running = call(weir.url, at('reject', '/run'));
      await expectReceived(1);
      const refused = await call(weir.url, at('reject', '/x'));
      expect([refused.status, refused.headers['x-weir-cause'], refused.headers['retry-after']]).toEqual([
        529,
        'at_capacity',
        '1',
      ]);
      pending[0]!.res.end();
      expect((await running).status).toBe(200);
    });

    it('responds 500 to a request and 408 to a WebSocket when no replica is free in time', async () => {
      const running = call(weir.url, at('short', '/run'));
      await expectReceived(1);
      const late = await call(weir.url, at('short', '/x'));
      expect([late.status, late.headers['x-weir-cause']]).toEqual([500, 'queue_timeout']);
      const line = await weir.expectExchange(late.headers['x-baseten-request-id'] as string);
      expect(line['queue_ms']).toBeGreaterThanOrEqual(300);
      expect(line['attempts']).toBe(0);
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('short', '/ws')}`);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(408);
      socket.on('error', () => undefined);
      socket.terminate();
      await expectWaiting(0, 'short');
      pending[0]!.res.end();
      await running;
    });

    it('removes a request from the wait queue at once when its client leaves, whatever its body', async () => {
      const running = call(weir.url, at('one', '/run'));
      await expectReceived(1);
      const leaving = [
        begin(weir.url, at('one', '/plain')),
        begin(weir.url, at('one', '/body'), {
          method: 'POST',
          headers: { 'content-length': String(3 * MIB) },
        }),
        begin(weir.url, at('one', '/chunked'), {
          method: 'POST',
          headers: { 'transfer-encoding': 'chunked' },
        }),
      ];
      for (const client of leaving) client.on('error', () => undefined);
      leaving[0]!.end();
      leaving[1]!.write(Buffer.alloc(2 * MIB));
      leaving[2]!.write(Buffer.alloc(MIB));
      await expectWaiting(3);
      await until('the bodies are buffered', async () => {
        // The framing of a chunked body is buffered too.
        return (await weir.page()).value('weir_queue_held_bytes{}')! >= 3 * MIB;
      });
      for (const [i, client] of leaving.entries()) {
        client.destroy();
        await expectWaiting(2 - i);
      }
      await expectConcurrent(1);
      await weir.expectMetric('weir_queue_held_bytes{}', 0);
      pending[0]!.res.end();
      await running;
      await holds(0);
      expect(pending.map(({ url }) => url)).toEqual(['/run']);
      const page = await weir.page();
      expect(
        page.value('weir_exchanges_total{deployment_id="one",cause="client_gone",origin="client"}'),
      ).toBe(3);
    });

    it('removes a WebSocket from the wait queue when its client leaves', async () => {
      const running = call(weir.url, at('one', '/run'));
      await expectReceived(1);
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('one', '/ws')}`);
      socket.on('error', () => undefined);
      await expectWaiting(1);
      socket.terminate();
      await expectWaiting(0);
      pending[0]!.res.end();
      await running;
      await expectConcurrent(0);
    });

    it('responds 429 when the bodies in the wait queue exceed their limit', async () => {
      const running = call(weir.url, at('one', '/run'));
      await expectReceived(1);
      const large = { method: 'POST', body: Buffer.alloc(5 * MIB) };
      const first = call(weir.url, at('one', '/first'), large);
      await until('the first body is buffered', async () => {
        return (await weir.page()).value('weir_queue_held_bytes{}')! === 5 * MIB;
      });
      const second = await call(weir.url, at('one', '/second'), large);
      expect([second.status, second.headers['x-weir-cause']]).toEqual([429, 'queue_full']);
      handler = (req, res) => void onBody(req, (body) => res.end(String(body.length)));
      pending[0]!.res.end();
      expect((await first).text).toBe(String(5 * MIB));
      await running;
      await weir.expectMetric('weir_queue_held_bytes{}', 0);
    });

    it('queues requests with any body until the first replica is ready', async () => {
      const bodies = [Buffer.alloc(0), Buffer.from('{}'), Buffer.alloc(3 * MIB, 'x')];
      const responses = bodies.map((body) => call(weir.url, at('cold', '/x'), { method: 'POST', body }));
      const chunked = begin(weir.url, at('cold', '/chunked'), {
        method: 'POST',
        headers: { 'transfer-encoding': 'chunked' },
      });
      chunked.write('one ');
      await expectWaiting(4, 'cold');
      chunked.write('two ');
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('cold', '/ws')}`);
      await expectWaiting(5, 'cold');
      expect((await fetch(`${weir.admin}/readyz`)).status).toBe(200); // for the other deployments
      const replica = await startReplica((req, res) => {
        void onBody(req, (body) => res.end(`${body.length} ${body.toString().slice(0, 20)}`));
      }, coldPort);
      replica.server.on('upgrade', (_, upgraded) => {
        upgraded.on('error', () => undefined);
        upgraded.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      });
      const [, refused] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(refused.statusCode).toBe(426);
      for (const [i, response] of (await Promise.all(responses)).entries())
        expect(response.text).toBe(`${bodies[i]!.length} ${bodies[i]!.toString().slice(0, 20)}`);
      chunked.end('three');
      const [res] = (await once(chunked, 'response')) as [NodeJS.ReadableStream];
      let text = '';
      for await (const chunk of res) text += String(chunk);
      expect(text).toBe('13 one two three');
      await weir.expectMetric('weir_queue_held_bytes{}', 0);
      await replica.close();
    });
  });

  describe(`${name}: retries`, () => {
    let handlers: RequestListener[];
    let replicas: Replica[];
    let weir: Weir;
    let seen: string[];

    beforeAll(async () => {
      replicas = await Promise.all(
        [0, 1].map((i) =>
          startReplica((req, res) => {
            seen.push(`${i} ${req.method} ${req.url}`);
            handlers[i]!(req, res);
          }),
        ),
      );
      const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
      const urls = replicas.map(({ url }) => `{ url: "${url}" }`).join(', ');
      writeFileSync(
        file,
        `deployments: [{ id: twins, environment: production, predict_path: /predict, replicas: [${urls}] }]
pool: { probe_interval: 1d, probe_retry_interval: 50ms, slow_return: 0s }
proxy: { retry: { max_time: 3s, max_body: 64KiB, exclude_paths: [/v1/never] } }
`,
      );
      weir = await startWeir(['--config', file, ...args]);
    });
    beforeEach(() => {
      seen = [];
      handlers = [mirror, mirror];
    });
    afterAll(async () => {
      await weir.stop('SIGKILL');
      await Promise.all(replicas.map((replica) => replica.close()));
    });

    const busy: RequestListener = (req, res) => {
      req.resume();
      res.writeHead(503, { 'x-mine': '1' }).end('busy');
    };
    const post = (path: string, body: string | Buffer = '{}') =>
      call(weir.url, path, { method: 'POST', body, headers: { 'content-type': 'x/y' } });
    const ATTEMPTS = 'x-baseten-model-prediction-attempts';

    it('adds a load report to a response that was asked for one, unless the replica has', async () => {
      const ask = (format: string) =>
        call(weir.url, '/x', { headers: { 'endpoint-load-metrics-format': format } });
      expect((await ask('TEXT')).headers['endpoint-load-metrics']).toBe(
        'TEXT named_metrics.running=1, named_metrics.waiting=0',
      );
      const json = String((await ask('json')).headers['endpoint-load-metrics']);
      expect(JSON.parse(json.replace(/^JSON /, ''))).toEqual({ named_metrics: { running: 1, waiting: 0 } });
      expect((await ask('BIN')).headers['endpoint-load-metrics']).toBeUndefined();
      expect((await call(weir.url, '/x')).headers['endpoint-load-metrics']).toBeUndefined();
      handlers[0] = handlers[1] = (_, res) =>
        void res.setHeader('endpoint-load-metrics', 'TEXT mine=1').end();
      expect((await ask('TEXT')).headers['endpoint-load-metrics']).toBe('TEXT mine=1');
    });

    it('counts one attempt for an ordinary request', async () => {
      expect((await post('/predict')).headers[ATTEMPTS]).toBe('1');
      expect((await call(weir.url, '/x')).headers[ATTEMPTS]).toBe('1');
    });

    it.each([502, 503, 504])('sends a request to the other replica when one responds %d', async (status) => {
      handlers[0] = (req, res) => {
        req.resume();
        res.writeHead(status).end('no');
      };
      const responses = [];
      for (let i = 0; i < 4; i++) responses.push(await post('/predict', `{"n":${i}}`));
      expect(responses.map((response) => response.status)).toEqual([200, 200, 200, 200]);
      for (const [i, { text }] of responses.entries())
        expect(JSON.parse(text)).toMatchObject({ url: '/predict', body: `{"n":${i}}` });
      // Only requests that went to the first replica were sent twice.
      const first = seen.filter((entry) => entry.startsWith('0')).length;
      expect(first).toBeGreaterThan(0);
      expect(responses.filter(({ headers }) => headers[ATTEMPTS] === '2').length).toBe(first);
      expect(responses.filter(({ headers }) => headers[ATTEMPTS] === '1').length).toBe(4 - first);
      const twice = responses.find(({ headers }) => headers[ATTEMPTS] === '2')!;
      expect(twice.headers['server-timing']).toMatch(/retry;dur=[1-9]/);
      const line = await weir.expectExchange(twice.headers['x-baseten-request-id'] as string);
      expect([line['attempts'], line['replica'], line['status']]).toEqual([2, 'r1', 200]);
    });

    it('passes the last response on when the time for retries is over', async () => {
      handlers = [busy, busy];
      const response = await post('/predict');
      expect([response.status, response.text, response.headers['x-mine']]).toEqual([503, 'busy', '1']);
      expect(Number(response.headers[ATTEMPTS])).toBeGreaterThan(2);
      expect(seen.length).toBe(Number(response.headers[ATTEMPTS]));
      // In turn, since the replica of the last attempt is avoided.
      const turns = seen.map((entry) => entry[0]);
      for (const [i, turn] of turns.entries()) if (i > 0) expect(turn).not.toBe(turns[i - 1]);
    });

    it('passes a 503 on at once for methods, paths and bodies that are not retried', async () => {
      handlers = [busy, busy];
      const responses = [
        await call(weir.url, '/health'),
        await post('/v1/never/again'),
        await post('/predict', Buffer.alloc(65 * 1024)),
      ];
      expect(
        responses.map((response) => [response.status, response.text, response.headers[ATTEMPTS]]),
      ).toEqual([
        [503, 'busy', '1'],
        [503, 'busy', '1'],
        [503, 'busy', '1'],
      ]);
      expect(seen.length).toBe(3);
    });

    it('passes other error responses on at once', async () => {
      handlers[0] = handlers[1] = (req, res) => {
        req.resume();
        res.writeHead(500).end();
      };
      expect((await post('/predict')).status).toBe(500);
      expect(seen.length).toBe(1);
    });

    it('drops a long 503 in favour of the response of the other replica', async () => {
      handlers[0] = (req, res) => {
        req.resume();
        res.writeHead(503);
        const more = setInterval(() => res.write('x'.repeat(1000)), 5);
        res.on('close', () => clearInterval(more));
      };
      for (let i = 0; i < 2; i++) expect((await post('/predict')).status).toBe(200);
      await until('the connection of the long response is closed', () => replicas[0]!.open === 0);
    });

    it('recognizes an excluded path in every form of the target', async () => {
      handlers = [busy, busy];
      const responses = [await post('http://x/v1/never/again'), await post('/production/sync/v1/never')];
      expect(responses.map(({ status }) => status)).toEqual([503, 503]);
      expect(seen.length).toBe(2);
    });

    it('resends an upload after an early 503 and leaves no connection behind', async () => {
      handlers[0] = handlers[1] = (_, res) => void res.writeHead(503, { 'content-length': '2' }).end('no');
      const early = begin(weir.url, '/predict', { method: 'POST', headers: { 'content-length': '20' } });
      early.on('error', () => undefined);
      early.write('1234567890');
      await until('the first replica has responded', () => seen.length > 0);
      handlers = [mirror, mirror];
      const response = once(early, 'response');
      await until('the request is sent again', () => seen.length > 1);
      early.end('1234567890');
      const [res] = (await response) as [NodeJS.ReadableStream & { statusCode: number }];
      let text = '';
      for await (const chunk of res) text += String(chunk);
      expect(JSON.parse(text)).toMatchObject({ body: '12345678901234567890' });
      await weir.expectMetric('weir_replica_connections{state="active"}', 0);
    });

    it('stops its retries when the client leaves', async () => {
      handlers = [busy, busy];
      const leavingClient = begin(weir.url, '/predict', { method: 'POST' });
      leavingClient.on('error', () => undefined);
      leavingClient.end('{}');
      await until('the request is sent', () => seen.length === 1);
      leavingClient.destroy();
      await weir.expectMetric(
        'baseten_concurrent_requests{model_id="local",model_name="local",deployment_id="twins",environment="production",rollout_phase="stable"}',
        0,
      );
      const ended = await weir.expectLine(
        'the closed exchange',
        (line) => line.event === 'exchange' && line['cause'] === 'client_gone',
      );
      expect(ended['attempts']).toBeLessThanOrEqual(2);
      const sent = seen.length;
      handlers = [mirror, mirror];
      await post('/predict');
      expect(seen.length).toBe(sent + 1);
    });

    it('sends a request with any method and body to another replica when the first refuses the connection', async () => {
      const closed = replicas[1]!;
      await closed.close();
      const bodies = [undefined, '{}', Buffer.alloc(2 * MIB, 'y')];
      // One after the other, and each replica in turn, so at least one of the first two gets the closed one. On one
      // connection, since each data thread takes turns of its own.
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const responses = [];
      for (const body of bodies)
        responses.push(
          await call(weir.url, '/x', body === undefined ? { agent } : { method: 'PUT', body, agent }),
        );
      agent.destroy();
      expect(responses.map((response) => response.status)).toEqual([200, 200, 200]);
      expect(responses.filter((response) => response.headers[ATTEMPTS] === '2').length).toBe(1);
      await weir.expectMetric('weir_replica_state{deployment_id="twins",replica="r1",state="down"}', 1);
      const page = await weir.page();
      expect(page.value('weir_retries_total{deployment_id="twins",reason="connect"}')).toBe(1);
      replicas[1] = await startReplica((req, res) => {
        seen.push(`1 ${req.method} ${req.url}`);
        handlers[1]!(req, res);
      }, closed.port);
      await weir.expectMetric('weir_replica_state{deployment_id="twins",replica="r1",state="ready"}', 1);
    });

    it('queues requests while all replicas are down, and loses none', async () => {
      const ports = replicas.map(({ port }) => port);
      await Promise.all(replicas.map((replica) => replica.close()));
      const responses = [post('/predict', 'first'), post('/predict', 'second'), call(weir.url, '/third')];
      await weir.expectMetric('weir_queue_length{deployment_id="twins"}', 3);
      replicas = await Promise.all(
        ports.map((port, i) => startReplica((req, res) => handlers[i]!(req, res), port)),
      );
      expect((await Promise.all(responses)).map((response) => response.status)).toEqual([200, 200, 200]);
    });
  });
}
