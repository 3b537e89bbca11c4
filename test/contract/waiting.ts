// What every lane promises of waiting for a replica and of sending again. One suite, run by each.
// Must stay true: a lane that differs from another fails here, not in production.
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { begin, call } from '../kit/client.ts';
import { mirror, startReplica, whole, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const MIB = 1024 * 1024;

export function waitingContract(name: string, args: string[]): void {
  describe(`${name}: waiting for a replica`, () => {
    let handler: RequestListener;
    let one: Replica;
    let coldPort: number;
    let weir: Weir;
    /** Answers that the replica still owes, in the order in which their requests came. */
    let owed: { url: string; res: ServerResponse }[];

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
      owed = [];
      handler = (req, res) => void owed.push({ url: req.url!, res });
    });
    afterAll(async () => {
      await weir.stop('SIGKILL');
      await one.close();
    });

    const waits = (count: number, deployment = 'one') =>
      weir.shows(`weir_queue_length{deployment_id="${deployment}"}`, count);
    const holds = (count: number, deployment = 'one') =>
      weir.shows(`weir_replica_outstanding_requests{deployment_id="${deployment}",replica="r0"}`, count);
    const concurrent = (count: number, deployment = 'one') =>
      weir.shows(
        `baseten_concurrent_requests{model_id="local",model_name="local",deployment_id="${deployment}",environment="${deployment}",rollout_phase="stable"}`,
        count,
      );
    const at = (deployment: string, path: string) => `/deployment/${deployment}/sync${path}`;
    const owes = (count: number) => until(`the replica has ${count}`, () => owed.length === count);

    it('gives a replica no more than its target, and the rest in the order in which they came', async () => {
      const answers = [call(weir.url, at('one', '/0'))];
      await owes(1);
      for (let i = 1; i <= 3; i++) {
        answers.push(call(weir.url, at('one', `/${i}`)));
        await waits(i);
      }
      await concurrent(4);
      for (let i = 0; i <= 3; i++) {
        await owes(i + 1);
        expect(owed.map(({ url }) => url)).toEqual(['/0', '/1', '/2', '/3'].slice(0, i + 1));
        owed[i]!.res.end(String(i));
        const answer = await answers[i]!;
        expect([answer.status, answer.text]).toEqual([200, String(i)]);
        const line = await weir.exchange(answer.headers['x-baseten-request-id'] as string);
        const queued = Number(/queue;dur=([\d.]+)/.exec(String(answer.headers['server-timing']))![1]);
        if (i === 0) expect([line['queue_ms'], queued]).toEqual([0, 0]);
        else {
          expect(line['queue_ms']).toBeGreaterThan(0);
          expect(queued).toBeCloseTo(line['queue_ms'] as number, 0);
        }
      }
      await concurrent(0);
      await holds(0);
      const page = await weir.page();
      expect(page.value('weir_queue_wait_seconds_count{deployment_id="one"}')).toBe(4);
      expect(page.value('weir_queue_wait_seconds_bucket{deployment_id="one",le="+Inf"}')).toBe(4);
      expect(page.value('weir_queue_wait_seconds_sum{deployment_id="one"}')).toBeGreaterThan(0);
    });

    it('answers 429 when the line is full', async () => {
      const running = call(weir.url, at('one', '/run'));
      await owes(1);
      const waiting = [1, 2, 3].map((i) => call(weir.url, at('one', `/${i}`)));
      await waits(3);
      const refused = await call(weir.url, at('one', '/too-many'), { method: 'POST', body: '{}' });
      expect([refused.status, refused.headers['x-weir-cause'], refused.headers['retry-after']]).toEqual([
        429,
        'queue_full',
        '1',
      ]);
      expect(JSON.parse(refused.text)).toMatchObject({ error_code: 'rate_limited' });
      for (let i = 0; i < 4; i++) {
        await owes(i + 1);
        owed[i]!.res.end();
      }
      await Promise.all([running, ...waiting]);
      expect(owed.map(({ url }) => url)).not.toContain('/too-many');
    });

    it('answers 529 where the deployment rejects when it is full', async () => {
      const running = call(weir.url, at('reject', '/run'));
      await owes(1);
      const refused = await call(weir.url, at('reject', '/x'));
      expect([refused.status, refused.headers['x-weir-cause'], refused.headers['retry-after']]).toEqual([
        529,
        'at_capacity',
        '1',
      ]);
      owed[0]!.res.end();
      expect((await running).status).toBe(200);
    });

    it('answers 500 when no replica was free in time, and 408 to a WebSocket', async () => {
      const running = call(weir.url, at('short', '/run'));
      await owes(1);
      const late = await call(weir.url, at('short', '/x'));
      expect([late.status, late.headers['x-weir-cause']]).toEqual([500, 'queue_timeout']);
      const line = await weir.exchange(late.headers['x-baseten-request-id'] as string);
      expect(line['queue_ms']).toBeGreaterThanOrEqual(300);
      expect(line['attempts']).toBe(0);
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('short', '/ws')}`);
      const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(answer.statusCode).toBe(408);
      socket.on('error', () => undefined);
      socket.terminate();
      await waits(0, 'short');
      owed[0]!.res.end();
      await running;
    });

    it('forgets at once who leaves the line, whatever he was about to send', async () => {
      const running = call(weir.url, at('one', '/run'));
      await owes(1);
      const leavers = [
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
      for (const leaver of leavers) leaver.on('error', () => undefined);
      leavers[0]!.end();
      leavers[1]!.write(Buffer.alloc(2 * MIB));
      leavers[2]!.write(Buffer.alloc(MIB));
      await waits(3);
      await until('what they sent is held', async () => {
        // The framing of a chunked body is held with it.
        return (await weir.page()).value('weir_queue_held_bytes{}')! >= 3 * MIB;
      });
      for (const [i, leaver] of leavers.entries()) {
        leaver.destroy();
        await waits(2 - i);
      }
      await concurrent(1);
      await weir.shows('weir_queue_held_bytes{}', 0);
      owed[0]!.res.end();
      await running;
      await holds(0);
      expect(owed.map(({ url }) => url)).toEqual(['/run']);
      const page = await weir.page();
      expect(
        page.value('weir_exchanges_total{deployment_id="one",cause="client_gone",origin="client"}'),
      ).toBe(3);
    });

    it('forgets a WebSocket that leaves the line', async () => {
      const running = call(weir.url, at('one', '/run'));
      await owes(1);
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('one', '/ws')}`);
      socket.on('error', () => undefined);
      await waits(1);
      socket.terminate();
      await waits(0);
      owed[0]!.res.end();
      await running;
      await concurrent(0);
    });

    it('holds no more for all who wait than it may: 429', async () => {
      const running = call(weir.url, at('one', '/run'));
      await owes(1);
      const large = { method: 'POST', body: Buffer.alloc(5 * MIB) };
      const first = call(weir.url, at('one', '/first'), large);
      await until('the first is held', async () => {
        return (await weir.page()).value('weir_queue_held_bytes{}')! === 5 * MIB;
      });
      const second = await call(weir.url, at('one', '/second'), large);
      expect([second.status, second.headers['x-weir-cause']]).toEqual([429, 'queue_full']);
      handler = (req, res) => void whole(req, (body) => res.end(String(body.length)));
      owed[0]!.res.end();
      expect((await first).text).toBe(String(5 * MIB));
      await running;
      await weir.shows('weir_queue_held_bytes{}', 0);
    });

    it('lets requests wait for a replica that is not there yet, whatever their bodies', async () => {
      const bodies = [Buffer.alloc(0), Buffer.from('{}'), Buffer.alloc(3 * MIB, 'x')];
      const answers = bodies.map((body) => call(weir.url, at('cold', '/x'), { method: 'POST', body }));
      const chunked = begin(weir.url, at('cold', '/chunked'), {
        method: 'POST',
        headers: { 'transfer-encoding': 'chunked' },
      });
      chunked.write('one ');
      await waits(4, 'cold');
      chunked.write('two ');
      const socket = new WebSocket(`${weir.url.replace('http', 'ws')}${at('cold', '/ws')}`);
      await waits(5, 'cold');
      expect((await fetch(`${weir.admin}/readyz`)).status).toBe(200); // for the other deployments
      const replica = await startReplica((req, res) => {
        void whole(req, (body) => res.end(`${body.length} ${body.toString().slice(0, 20)}`));
      }, coldPort);
      replica.server.on('upgrade', (_, upgraded) => {
        upgraded.on('error', () => undefined);
        upgraded.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      });
      const [, refused] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(refused.statusCode).toBe(426);
      for (const [i, answer] of (await Promise.all(answers)).entries())
        expect(answer.text).toBe(`${bodies[i]!.length} ${bodies[i]!.toString().slice(0, 20)}`);
      chunked.end('three');
      const [res] = (await once(chunked, 'response')) as [NodeJS.ReadableStream];
      let text = '';
      for await (const chunk of res) text += String(chunk);
      expect(text).toBe('13 one two three');
      await weir.shows('weir_queue_held_bytes{}', 0);
      await replica.close();
    });
  });

  describe(`${name}: sending again`, () => {
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

    it('tells who asks how busy the deployment is, unless the replica does', async () => {
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

    it('says that an ordinary request was sent once', async () => {
      expect((await post('/predict')).headers[ATTEMPTS]).toBe('1');
      expect((await call(weir.url, '/x')).headers[ATTEMPTS]).toBe('1');
    });

    it.each([502, 503, 504])('asks the other replica when one answers %d', async (status) => {
      handlers[0] = (req, res) => {
        req.resume();
        res.writeHead(status).end('no');
      };
      const answers = [];
      for (let i = 0; i < 4; i++) answers.push(await post('/predict', `{"n":${i}}`));
      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
      for (const [i, { text }] of answers.entries())
        expect(JSON.parse(text)).toMatchObject({ url: '/predict', body: `{"n":${i}}` });
      // Those that went to the first replica were sent twice, and no other.
      const first = seen.filter((entry) => entry.startsWith('0')).length;
      expect(first).toBeGreaterThan(0);
      expect(answers.filter(({ headers }) => headers[ATTEMPTS] === '2').length).toBe(first);
      expect(answers.filter(({ headers }) => headers[ATTEMPTS] === '1').length).toBe(4 - first);
      const twice = answers.find(({ headers }) => headers[ATTEMPTS] === '2')!;
      expect(twice.headers['server-timing']).toMatch(/retry;dur=[1-9]/);
      const line = await weir.exchange(twice.headers['x-baseten-request-id'] as string);
      expect([line['attempts'], line['replica'], line['status']]).toEqual([2, 'r1', 200]);
    });

    it('passes the last answer on when the time for trying is over', async () => {
      handlers = [busy, busy];
      const answer = await post('/predict');
      expect([answer.status, answer.text, answer.headers['x-mine']]).toEqual([503, 'busy', '1']);
      expect(Number(answer.headers[ATTEMPTS])).toBeGreaterThan(2);
      expect(seen.length).toBe(Number(answer.headers[ATTEMPTS]));
      // In turn: who has just said no is not asked next.
      const turns = seen.map((entry) => entry[0]);
      for (const [i, turn] of turns.entries()) if (i > 0) expect(turn).not.toBe(turns[i - 1]);
    });

    it('passes such an answer on at once for methods, paths and bodies that are not to be sent again', async () => {
      handlers = [busy, busy];
      const answers = [
        await call(weir.url, '/health'),
        await post('/v1/never/again'),
        await post('/predict', Buffer.alloc(65 * 1024)),
      ];
      expect(answers.map((answer) => [answer.status, answer.text, answer.headers[ATTEMPTS]])).toEqual([
        [503, 'busy', '1'],
        [503, 'busy', '1'],
        [503, 'busy', '1'],
      ]);
      expect(seen.length).toBe(3);
    });

    it('passes other errors on at once', async () => {
      handlers[0] = handlers[1] = (req, res) => {
        req.resume();
        res.writeHead(500).end();
      };
      expect((await post('/predict')).status).toBe(500);
      expect(seen.length).toBe(1);
    });

    it('passes a long answer of that kind over for the other replica’s', async () => {
      handlers[0] = (req, res) => {
        req.resume();
        res.writeHead(503);
        const more = setInterval(() => res.write('x'.repeat(1000)), 5);
        res.on('close', () => clearInterval(more));
      };
      for (let i = 0; i < 2; i++) expect((await post('/predict')).status).toBe(200);
      await until('nobody reads the long one', () => replicas[0]!.open === 0);
    });

    it('knows an excluded path however the client writes it', async () => {
      handlers = [busy, busy];
      const answers = [await post('http://x/v1/never/again'), await post('/production/sync/v1/never')];
      expect(answers.map(({ status }) => status)).toEqual([503, 503]);
      expect(seen.length).toBe(2);
    });

    it('leaves nothing behind of an upload that was answered too soon and sent elsewhere', async () => {
      handlers[0] = handlers[1] = (_, res) => void res.writeHead(503, { 'content-length': '2' }).end('no');
      const early = begin(weir.url, '/predict', { method: 'POST', headers: { 'content-length': '20' } });
      early.on('error', () => undefined);
      early.write('1234567890');
      await until('it was sent and answered', () => seen.length > 0);
      handlers = [mirror, mirror];
      const answer = once(early, 'response');
      await until('it was sent again', () => seen.length > 1);
      early.end('1234567890');
      const [res] = (await answer) as [NodeJS.ReadableStream & { statusCode: number }];
      let text = '';
      for await (const chunk of res) text += String(chunk);
      expect(JSON.parse(text)).toMatchObject({ body: '12345678901234567890' });
      await weir.shows('weir_replica_connections{state="active"}', 0);
    });

    it('stops trying when the client leaves', async () => {
      handlers = [busy, busy];
      const leaver = begin(weir.url, '/predict', { method: 'POST' });
      leaver.on('error', () => undefined);
      leaver.end('{}');
      await until('it was sent once', () => seen.length === 1);
      leaver.destroy();
      await weir.shows(
        'baseten_concurrent_requests{model_id="local",model_name="local",deployment_id="twins",environment="production",rollout_phase="stable"}',
        0,
      );
      const ended = await weir.line(
        'its end',
        (line) => line.event === 'exchange' && line['cause'] === 'client_gone',
      );
      expect(ended['attempts']).toBeLessThanOrEqual(2);
      const sent = seen.length;
      handlers = [mirror, mirror];
      await post('/predict');
      expect(seen.length).toBe(sent + 1);
    });

    it('sends a request elsewhere when its replica refuses the connection, whatever the method and the body', async () => {
      const closed = replicas[1]!;
      await closed.close();
      const bodies = [undefined, '{}', Buffer.alloc(2 * MIB, 'y')];
      // One after the other, and each replica in turn: at least one of the first two meets the closed one.
      const answers = [];
      for (const body of bodies)
        answers.push(await call(weir.url, '/x', body === undefined ? {} : { method: 'PUT', body }));
      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
      expect(answers.filter((answer) => answer.headers[ATTEMPTS] === '2').length).toBe(1);
      await weir.shows('weir_replica_state{deployment_id="twins",replica="r1",state="down"}', 1);
      const page = await weir.page();
      expect(page.value('weir_retries_total{deployment_id="twins",reason="connect"}')).toBe(1);
      replicas[1] = await startReplica((req, res) => {
        seen.push(`1 ${req.method} ${req.url}`);
        handlers[1]!(req, res);
      }, closed.port);
      await weir.shows('weir_replica_state{deployment_id="twins",replica="r1",state="ready"}', 1);
    });

    it('waits for one to come back when none is left, and loses nothing', async () => {
      const ports = replicas.map(({ port }) => port);
      await Promise.all(replicas.map((replica) => replica.close()));
      const answers = [post('/predict', 'first'), post('/predict', 'second'), call(weir.url, '/third')];
      await weir.shows('weir_queue_length{deployment_id="twins"}', 3);
      replicas = await Promise.all(
        ports.map((port, i) => startReplica((req, res) => handlers[i]!(req, res), port)),
      );
      expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual([200, 200, 200]);
    });
  });
}
