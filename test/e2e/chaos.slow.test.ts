// Replicas are killed, hang, restart, respond slowly and flap under load. Afterwards the counts of the clients, the
// replicas and weir must agree. CHAOS_SECONDS sets the duration: npm run chaos.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { until } from '../kit/until.ts';
import { freePort } from '../kit/port.ts';
import { startWeir, stopAll, type Line } from '../kit/weir.ts';

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 8);
const CLIENTS = 24;
const REPLICAS = 3;

/** A replica that prints the path of every request whose response it has completed. */
const SOURCE = `
  const { createServer } = require('node:http');
  createServer((req, res) => {
    if (req.url === '/health') return res.end();
    // Responds before it reads the body, and closes the connection at once: with unread input, the kernel resets it.
    if (req.url.startsWith('/early')) {
      req.socket.write('HTTP/1.1 413 Too Large\\r\\nContent-Length: 5\\r\\n\\r\\nlarge', () => req.socket.destroy());
      return console.log(req.url);
    }
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('error', () => undefined);
    req.on('end', () => {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      const wait = Math.random() < 0.1 ? Math.random() * 400 : Math.random() * 10;
      res.on('finish', () => console.log(req.url));
      setTimeout(() => {
        const dice = Math.random();
        if (dice < 0.03) return res.writeHead(503).end('busy');
        if (dice < 0.04) return req.socket.destroy();
        res.writeHead(200, { 'x-size': size });
        if (!req.url.startsWith('/stream')) return res.end('done');
        let left = 5;
        const more = setInterval(() => {
          if (dice < 0.06 && left === 2) { clearInterval(more); return req.socket.destroy(); }
          if (left-- > 0) return res.write('data: ' + left + '\\n\\n');
          clearInterval(more);
          res.end();
        }, 5);
        res.on('close', () => clearInterval(more));
      }, wait);
    });
  }).listen(Number(process.env.PORT), '127.0.0.1');
`;

class ChaoticReplica {
  readonly port: number;
  readonly completed: string[];
  process: ChildProcess | undefined;

  constructor(port: number, completed: string[]) {
    this.port = port;
    this.completed = completed;
    this.start();
  }

  start(): void {
    const child = spawn(process.execPath, ['-e', SOURCE], {
      env: { ...process.env, PORT: String(this.port) },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.completed.push(line));
    this.process = child;
  }

  kill(): void {
    this.process?.kill('SIGKILL');
  }

  signal(signal: NodeJS.Signals): void {
    this.process?.kill(signal);
  }
}

/** The outcome of one request, as its client saw it. */
interface Outcome {
  path: string;
  id: string | undefined;
  status: number;
  cause: string | undefined;
  end: 'whole' | 'broken' | 'left';
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let replicas: ChaoticReplica[] = [];
afterEach(async () => {
  for (const replica of replicas) replica.kill();
  await stopAll();
});

/** Sends one request and waits for its end. */
function send(port: number, agent: Agent, path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Outcome = { path, id: undefined, status: 0, cause: undefined, end: 'broken' };
    const isGet = path.startsWith('/get');
    const req = request({ port, host: '127.0.0.1', path, method: isGet ? 'GET' : 'POST', agent });
    let leaving: NodeJS.Timeout | undefined;
    const over = (end: Outcome['end']) => {
      clearTimeout(leaving);
      if (outcome.end === 'broken') outcome.end = end;
      resolve(outcome);
    };
    req.on('response', (res) => {
      outcome.id = res.headers['x-baseten-request-id'] as string;
      outcome.status = res.statusCode!;
      outcome.cause = res.headers['x-weir-cause'] as string | undefined;
      res.resume();
      res.on('error', () => undefined);
      res.on('close', () => over(res.complete ? 'whole' : 'broken'));
    });
    req.on('error', () => over('broken'));
    if (path.startsWith('/leave'))
      leaving = setTimeout(() => {
        outcome.end = 'left';
        req.destroy();
      }, Math.random() * 60);
    req.end(isGet ? undefined : Buffer.alloc(/^\/(large|early)/.test(path) ? 300_000 : 200, 'x'));
  });
}

it.each([
  ['fast', 'true'],
  ['full', 'false'],
])(
  'loses, repeats and leaks nothing through the %s lane, and gives every error a cause',
  async (_, fastLane) => {
    const completed: string[] = [];
    const ports = await Promise.all(Array.from({ length: REPLICAS }, () => freePort()));
    replicas = ports.map((port) => new ChaoticReplica(port, completed));
    const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
    writeFileSync(
      file,
      `deployments:
  - id: local
    readiness_path: /health
    concurrency_target: 4
    max_queue: 12
    queue_timeout: 3s
    replicas: [${ports.map((port) => `{ url: "http://127.0.0.1:${port}" }`).join(', ')}]
pool: { probe_interval: 200ms, probe_retry_interval: 50ms, probe_timeout: 200ms, busy_grace: 500ms, eject_time: 300ms, slow_return: 500ms }
proxy: { fast_lane: ${fastLane}, connect_timeout: 500ms, first_byte_timeout: 1s, idle_timeout: 1s, total_timeout: 6s, retry: { max_time: 3s } }
`,
    );
    const weir = await startWeir(['--config', file]);
    await weir.expectMetric('baseten_replicas_active', REPLICAS, 15_000);

    const endMs = performance.now() + SECONDS * 1000;
    const isOver = () => performance.now() > endMs;
    const outcomes: Outcome[] = [];
    let count = 0;
    const kinds = ['small', 'small', 'small', 'get', 'stream', 'large', 'leave', 'early'];
    const clients = Array.from({ length: CLIENTS }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (!isOver()) {
        const outcome = await send(weir.port, agent, `/${kinds[count % kinds.length]}/${count++}`);
        outcomes.push(outcome);
        // The client waits before it retries, as the 429 demands.
        if (outcome.status === 429) await sleep(50);
      }
      agent.destroy();
    });
    const chaos = replicas.map(async (replica) => {
      while (!isOver()) {
        await sleep(300 + Math.random() * 700);
        const dice = Math.random();
        if (dice < 0.4) {
          replica.kill();
          await sleep(Math.random() * 800);
          replica.start();
        } else if (dice < 0.7) {
          replica.signal('SIGSTOP');
          await sleep(Math.random() * 2000);
          replica.signal('SIGCONT');
        } else
          for (let i = 0; i < 3; i++) {
            replica.kill();
            await sleep(Math.random() * 100);
            replica.start();
            await sleep(Math.random() * 150);
          }
      }
    });
    await Promise.all([...clients, ...chaos]);

    await weir.expectMetric('baseten_concurrent_requests', 0);
    // weir's own count: one access-log line for each counted exchange.
    const counted = (await weir.page()).sum('weir_exchanges_total', 'deployment_id="local"');
    const lines = await until('the log has every exchange', () => {
      const found = weir.lines.filter((line) => line.event === 'exchange');
      return found.length === counted && found;
    });
    // One line for each request and one request for each line: nothing lost, nothing doubled.
    const byPath = new Map<string, Line[]>();
    for (const line of lines)
      byPath.set(line['path'] as string, [...(byPath.get(line['path'] as string) ?? []), line]);
    expect(byPath.size).toBe(lines.length);
    for (const outcome of outcomes) {
      const line = byPath.get(outcome.path)?.[0];
      const seen = JSON.stringify([outcome, line]);
      // A client that left at once may not have sent the request.
      if (line === undefined && outcome.end === 'left') continue;
      if (outcome.id !== undefined) expect(line!['request_id'], seen).toBe(outcome.id);
      if (outcome.end === 'whole') {
        expect(line!['status'], seen).toBe(outcome.status);
        expect(line!['cause'], seen).toBe(outcome.cause ?? 'ok');
        // An error made by weir has a cause. An error without one is the replica's.
        if (outcome.status >= 500 && outcome.cause === undefined) expect(outcome.status, seen).toBe(503);
      } else expect(line!['cause'], seen).not.toBe(outcome.end === 'broken' ? 'ok' : '');
    }
    // Early responses arrived, and every counted failure was made by this test.
    expect(
      outcomes.filter(({ path, status }) => path.startsWith('/early') && status === 413).length,
    ).toBeGreaterThan(0);
    // A replica may complete a request twice only if weir reports as many attempts.
    const completions = new Map<string, number>();
    for (const path of completed) completions.set(path, (completions.get(path) ?? 0) + 1);
    for (const [path, times] of completions)
      expect(byPath.get(path)![0]!['attempts'], path).toBeGreaterThanOrEqual(times);

    // The counters are exact.
    const page = await weir.page();
    const tally = (key: string) => {
      const counts = new Map<string, number>();
      for (const line of lines) counts.set(String(line[key]), (counts.get(String(line[key])) ?? 0) + 1);
      return counts;
    };
    for (const [status, times] of tally('status'))
      expect(page.sum('baseten_inference_requests_total', `status_code="${status}"`), status).toBe(times);
    for (const [cause, times] of tally('cause'))
      expect(page.sum('weir_exchanges_total', `deployment_id="local"`, `cause="${cause}"`), cause).toBe(
        times,
      );
    expect(page.value('weir_queue_wait_seconds_count{deployment_id="local"}')).toBe(lines.length);
    // Nothing is left.
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric('weir_queue_length{deployment_id="local"}', 0);
    await weir.expectMetric('weir_queue_held_bytes{}', 0);
    for (let i = 0; i < REPLICAS; i++)
      await weir.expectMetric(`weir_replica_outstanding_requests{deployment_id="local",replica="r${i}"}`, 0);
    await weir.expectMetric('weir_replica_connections{state="active"}', 0);
    // Both successes and failures occurred; otherwise the test has proven nothing.
    const causes = tally('cause');
    expect(causes.get('ok')).toBeGreaterThan(SECONDS * 20);
    expect(causes.size).toBeGreaterThan(3);
    expect(page.value('weir_retries_total{deployment_id="local",reason="connect"}')).toBeGreaterThan(0);
    if (process.env['CHAOS_SECONDS']) process.stdout.write(`${JSON.stringify(Object.fromEntries(causes))}\n`);
    expect(await weir.stop()).toBe(0);
  },
  SECONDS * 1000 + 60_000,
);
