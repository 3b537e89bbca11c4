// Replica metrics with the real binary: pages are merged, and an invalid page affects nothing else.
import { gzipSync } from 'node:zlib';
import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { problemsOf } from '../kit/exposition.ts';
import { closeReplicas, startRawReplica, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const GOOD = `# HELP vllm:num_requests_running Requests in the running batch.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="llama"} 3
# HELP vllm:prompt_tokens_total Prompt tokens.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{model_name="llama"} 12
`;
const RUNNING = 'vllm:num_requests_running{deployment_id="local",replica="r0",model_name="llama"}';
const of = (name: string, more = '') => `${name}{deployment_id="local",replica="r0"${more}}`;
const errors = (reason: string) => of('weir_merge_errors_total', `,reason="${reason}"`);

const start = (urls: string[], ...args: string[]): Promise<Weir> =>
  startWeir([
    ...urls.flatMap((url) => ['--replica', url]),
    '--merge-metrics-path=/metrics',
    '--merge-metrics-interval=100ms',
    ...args,
  ]);

const page = (body: string | Buffer, headers: Record<string, string> = {}): RequestListener => {
  return (_, res) => {
    res.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', ...headers });
    res.end(body);
  };
};

const inFormat = async (weir: Weir, accept: string) =>
  (await call(weir.admin, '/metrics', { headers: { accept } })).text;

describe('a replica’s page', () => {
  it('follows weir’s own families, with deployment and replica labels, in both formats, compressed or not', async () => {
    const replica = await startReplica(page(GOOD));
    const weir = await start([replica.url]);
    await weir.expectMetric(RUNNING, 3);
    await weir.expectMetric(of('weir_merge_success'), 1);
    await weir.expectMetric(of('weir_merge_series'), 2);
    const text = await inFormat(weir, 'text/plain');
    expect(problemsOf(text, false)).toEqual([]);
    expect(text).toContain('# TYPE vllm:prompt_tokens_total counter\n');
    const open = await inFormat(weir, 'application/openmetrics-text');
    expect(problemsOf(open, true)).toEqual([]);
    expect(open).toContain('# TYPE vllm:prompt_tokens counter\n');
    expect(open.match(/# EOF/g)).toHaveLength(1);
    const packed = await fetch(`${weir.admin}/metrics`, { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(await packed.text()).toContain(RUNNING);
    const head = await call(weir.admin, '/metrics', { method: 'HEAD' });
    expect(Number(head.headers['content-length'])).toBeGreaterThan(text.length / 2);
  });

  it('can be compressed, OpenMetrics, and with exemplars', async () => {
    const body = '# TYPE hits counter\nhits_total 5 # {trace_id="abc"} 1\n# EOF\n';
    const replica = await startReplica(
      page(gzipSync(body), {
        'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
        'content-encoding': 'gzip',
      }),
    );
    const weir = await start([replica.url]);
    await weir.expectMetric(of('hits_total'), 5);
    expect(await inFormat(weir, 'application/openmetrics-text')).toContain('5 # {trace_id="abc"} 1\n');
    expect(problemsOf(await inFormat(weir, 'text/plain'), false)).toEqual([]);
  });

  it('shares families with other replicas; the first replica sets the type of a name', async () => {
    const first = await startReplica(page(GOOD));
    const second = await startReplica(page(GOOD.replace('running gauge', 'running counter')));
    const weir = await start([first.url, second.url]);
    await weir.expectMetric('weir_merge_success{deployment_id="local",replica="r0"}', 1);
    await weir.expectMetric('weir_merge_success{deployment_id="local",replica="r1"}', 1);
    const { text } = await weir.page();
    expect(problemsOf(text, false)).toEqual([]);
    expect(text.match(/^vllm:prompt_tokens_total\{/gm)).toHaveLength(2);
    expect(text.match(/^vllm:num_requests_running\{/gm)).toHaveLength(1);
    expect((await weir.page()).sum('weir_merge_errors_total', 'reason="name_conflict"')).toBeGreaterThan(0);
  });

  it('loses the families that a setting drops', async () => {
    const replica = await startReplica(page(GOOD));
    const weir = await start([replica.url], '--merge-metrics-drop=python_*, vllm:prompt*');
    await weir.expectMetric(RUNNING, 3);
    await weir.expectMetric(of('weir_merge_series'), 1);
  });

  it('is not fetched if no path is set', async () => {
    const paths: string[] = [];
    const replica = await startReplica((req, res) => {
      paths.push(req.url!);
      res.end();
    });
    const weir = await startWeir(['--replica', replica.url]);
    await call(weir.url, '/one');
    await until('the request is there', () => paths.length > 0);
    expect(paths).toEqual(['/one']);
    expect((await weir.page()).text).not.toMatch(/^weir_merge_\w+\{/m);
  });
});

describe('an invalid page', () => {
  const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024, 'a 1\n'));
  const cases: [string, string, RequestListener][] = [
    ['HTML', 'not_metrics', page('<html><body>It works!</body></html>', { 'content-type': 'text/html' })],
    ['an error', 'bad_status', (_, res) => res.writeHead(503).end('a 1\n')],
    ['a redirect', 'bad_status', (_, res) => res.writeHead(302, { location: '/login' }).end()],
    ['packed in an unknown way', 'bad_encoding', page(GOOD, { 'content-encoding': 'br' })],
    ['packed and broken', 'bad_encoding', page('not gzip at all', { 'content-encoding': 'gzip' })],
    ['too large', 'too_large', page('a 1\n'.repeat(300_000))],
    ['small and unpacks to too much', 'too_large', page(bomb, { 'content-encoding': 'gzip' })],
    ['without end', 'too_large', (_, res) => {
      const more = () => void (res.write('a 1\n'.repeat(10_000)) ? setImmediate(more) : res.once('drain', more));
      more();
    }],
    ['never finished', 'timeout', (_, res) => void res.write('a 1\n')],
    ['never begun', 'timeout', () => undefined],
    ['cut off', 'truncated', (_, res) => {
      res.writeHead(200, { 'content-length': '1000' });
      res.write('a 1\n', () => res.destroy());
    }],
    ['of OpenMetrics without its end', 'truncated', page('a 1\n', { 'content-type': 'application/openmetrics-text' })],
  ]; // prettier-ignore
  it.each(cases)('%s', async (_, reason, handler) => {
    const replica = await startReplica(handler);
    const weir = await start(
      [replica.url],
      '--merge-metrics-timeout=300ms',
      '--merge-metrics-max-bytes=1MiB',
    );
    await weir.expectMetric(of('weir_merge_success'), 0);
    const seen = await weir.page();
    expect(seen.value(errors(reason))).toBeGreaterThan(0);
    expect(seen.text).not.toMatch(/^a\{/m);
    expect(problemsOf(seen.text, false)).toEqual([]);
    expect(problemsOf(await inFormat(weir, 'application/openmetrics-text'), true)).toEqual([]);
  });

  it('is replaced by the page of a later fetch that succeeds', async () => {
    let body: RequestListener = page(GOOD);
    const replica = await startReplica((req, res) => body(req, res));
    const weir = await start([replica.url], '--merge-metrics-max-age=400ms');
    await weir.expectMetric(RUNNING, 3);
    body = (_, res) => res.writeHead(500).end();
    await weir.expectMetric(of('weir_merge_success'), 0);
    await until('the old page is gone', async () => (await weir.page()).value(RUNNING) === undefined);
    await weir.expectMetric(of('weir_merge_series'), 0);
    body = page(GOOD.replace(' 3\n', ' 4\n'));
    await weir.expectMetric(RUNNING, 4);
    const said = await until('all is said', () => {
      const found = weir.lines.filter(({ event }) => String(event).includes('metrics page of replica'));
      return found.length >= 3 && found;
    });
    expect(said.map(({ event }) => event)).toEqual([
      'merging metrics page of replica',
      'cannot merge metrics page of replica',
      'merging metrics page of replica',
    ]);
  });

  it('keeps its valid lines beside invalid UTF-8', async () => {
    const junk = Buffer.concat([
      Buffer.from('ok 1\nb{x="'),
      Buffer.from([0xff, 0xc0, 0x00]),
      Buffer.from('"} 1\nalso 2\n'),
    ]);
    const replica = await startReplica(page(junk));
    const weir = await start([replica.url]);
    await weir.expectMetric(of('also'), 2);
    await weir.expectMetric(of('ok'), 1);
    expect((await weir.page()).text).not.toMatch(/^b\{/m);
  });

  it('can come from a server that does not speak HTTP', async () => {
    const replica = await startRawReplica((socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
    const weir = await start([replica.url]);
    await weir.expectMetric(of('weir_merge_success'), 0);
    expect((await weir.page()).value(errors('unreachable'))).toBeGreaterThan(0);
  });
});

it('fetches a slow replica’s page one at a time', async () => {
  let open = 0;
  let most = 0;
  let asked = 0;
  const replica = await startReplica((req, res) => {
    if (req.url !== '/metrics') return void res.end();
    asked++;
    most = Math.max(most, ++open);
    res.on('close', () => open--);
  });
  await start([replica.url], '--merge-metrics-timeout=350ms');
  await until('it was asked three times', () => asked >= 3);
  expect(most).toBe(1);
});

it('rejects a max_age that is shorter than the interval', async () => {
  const { code, err } = await runWeir([
    'check',
    '--replica=http://127.0.0.1:1',
    '--merge-metrics-path=/metrics',
    '--merge-metrics-interval=1m',
  ]);
  expect(code).toBe(2);
  expect(err).toContain('merge_metrics.max_age (30s) is smaller than merge_metrics.interval (1m)');
});
