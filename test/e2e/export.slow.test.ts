// OTLP export with the real binary: during an outage with restarts and kills, and to another weir.
import { get } from 'node:https';
import { TracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { localCertificate } from '../kit/certificate.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { linesOf, Receiver, requestIn } from '../kit/otlp-receiver.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

let data: string;
beforeEach(() => (data = folder()));
afterEach(stopAll);
afterEach(closeReplicas);
afterAll(removeFolders);

const start = (more: string[] = [], dir = data, replica = 'http://127.0.0.1:9') =>
  startWeir(['--replica', replica, '--data-dir', dir, ...more]);
const post = async (weir: Weir, lines: readonly string[]) => {
  const headers = { 'content-type': 'text/plain' };
  const body = `${lines.join('\n')}\n`;
  expect((await call(weir.admin, '/v1/logs', { method: 'POST', headers, body })).status).toBe(200);
};
const json = async (weir: Weir, path: string) =>
  JSON.parse((await call(weir.admin, path)).text) as Record<string, unknown>;
const create = async (weir: Weir, connection: object): Promise<string> => {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(connection);
  const answer = await call(weir.admin, '/v1/otel/connections', { method: 'POST', headers, body });
  expect([answer.status, answer.text]).toEqual([201, answer.text]);
  return (JSON.parse(answer.text) as { id: string }).id;
};

it('names the pod and the model of its records, which stay the same after a restart', async () => {
  const receiver = await new Receiver().start();
  const resources = (): unknown[] =>
    receiver.taken.flatMap((received) =>
      requestIn(received).resourceLogs.map(({ resource }) =>
        Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value.stringValue])),
      ),
    );
  const settings = ['--export-endpoint', receiver.url, '--logs-pod', 'llama-0', '--model-id', 'mdl9'];
  const weir = await start(settings);
  await post(weir, ['before']);
  await until('the line is there', () => linesOf(receiver.logs).includes('before'));
  await weir.stop();
  await post(await start(settings), ['after']);
  await until('the next line is there', () => linesOf(receiver.logs).includes('after'));
  const [first, ...others] = resources();
  expect(first).toEqual({
    'service.name': 'baseten',
    'weir.pod': expect.stringMatching(/^llama-0-[0-9a-f]{8}$/) as string,
    'weir.model_id': 'mdl9',
  });
  for (const other of others) expect(other).toEqual(first);
  await receiver.stop();
});

it('loses and repeats nothing in an outage during which weir is stopped and killed', async () => {
  const receiver = await new Receiver().start();
  const { port } = receiver;
  let weir = await start();
  const id = await create(weir, { name: 'far', endpoint_url: receiver.url, query: 'kind:line' });
  const figure = async (of: string) => (await weir.page()).value(`weir_otlp_export_${of}`);
  const expected = ['before'];
  await post(weir, expected);
  await until('it is there', () => receiver.logs.length === 1);
  await until('nothing waits', async () => (await figure('lag_seconds{destination="far"}')) === 0);
  expect(await figure('queue_records{destination="far"}')).toBe(0);
  await receiver.stop();

  const more = async (name: string) => {
    const lines = Array.from({ length: 700 }, (_, i) => `${name}${i}`);
    expected.push(...lines);
    await post(weir, lines);
  };
  const isRetrying = async () =>
    (await json(weir, `/v1/otel/connections/${id}/status`))['state'] === 'retrying';
  await more('down');
  await until('it retries', isRetrying);
  // The event export_paused is stored after them.
  await until('the queue is seen', async () => (await figure('queue_records{destination="far"}'))! >= 700);
  expect(await figure('lag_seconds{destination="far"}')).toBeGreaterThan(0);
  expect(await figure('requests_total{destination="far",code="none"}')).toBeGreaterThan(0);
  await weir.stop();
  weir = await start();
  await more('restarted');
  await until('it retries', isRetrying);
  await weir.stop('SIGKILL');
  weir = await start();
  await more('killed');
  await receiver.start(port);
  await until('all are there', () => receiver.logs.length >= expected.length, 20_000);
  expect(linesOf(receiver.logs)).toEqual(expected);
  await until('nothing waits', async () => (await figure('queue_records{destination="far"}')) === 0);
  expect(await figure('lag_seconds{destination="far"}')).toBe(0);
  expect(await figure('records_total{destination="far",result="sent"}')).toBe(2100);
  for (const result of ['rejected', 'dropped'])
    expect(await figure(`records_total{destination="far",result="${result}"}`)).toBe(0);
  await receiver.stop();
}, 60_000);

it('stops exporting a record between two weirs that export to each other', async () => {
  const [one, two] = [await start([], folder()), await start([], folder())];
  const ids = [
    await create(one, { endpoint_url: `${two.admin}/v1/logs` }),
    await create(two, { endpoint_url: `${one.admin}/v1/logs` }),
  ];
  await post(one, ['hello']);
  const has = async (weir: Weir) => ((await json(weir, '/v1/logs?q=hello'))['logs'] as unknown[]).length;
  await until('it has been there and back', async () => (await has(one)) === 2 && (await has(two)) === 2);
  for (const [weir, id] of [
    [one, ids[0]],
    [two, ids[1]],
  ] as const)
    await until('all is done with', async () => {
      const { queue_records: queue, head } = await json(weir, `/v1/otel/connections/${id}/status`);
      return queue === 0 && Number(head) >= 2;
    });
  expect([await has(one), await has(two)]).toEqual([2, 2]);
});

it('finds spans and logs of the OpenTelemetry packages by trace id', async () => {
  const weir = await start();
  const spans = new TracerProvider({
    spanProcessors: [
      new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${weir.admin}/v1/traces` }) }),
    ],
  });
  const logs = new LoggerProvider({
    processors: [
      new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${weir.admin}/v1/logs` }) }),
    ],
  });
  const span = spans.getTracer('truss_server').startSpan('predict-endpoint');
  const { traceId, spanId } = span.spanContext();
  logs.getLogger('model').emit({
    body: 'predicting',
    severityNumber: 9,
    attributes: { trace_of: traceId },
  });
  span.end();
  await Promise.all([spans.forceFlush(), logs.forceFlush()]);
  expect(await json(weir, `/v1/traces/${traceId}`)).toMatchObject({
    spans: [{ span_id: spanId, name: 'predict-endpoint' }],
  });
  expect(await json(weir, `/v1/logs?q=trace_of:${traceId}`)).toMatchObject({
    logs: [{ message: 'predicting', level: 'INFO' }],
  });
});

it('has the URL scheme https in the span of a request over TLS', async () => {
  const { server } = localCertificate();
  const replica = await startReplica((_, res) => void res.end());
  const tls = [`--ingress-tls-cert=${server.certFile}`, `--ingress-tls-key=${server.keyFile}`];
  const weir = await start(['--trace-enabled=true', ...tls], data, replica.url);
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  get({ port: weir.port, host: '127.0.0.1', rejectUnauthorized: false, path: '/predict', headers }).on(
    'response',
    (res) => res.resume(),
  );
  const shown = await until('it is recorded', async () => {
    const answer = await call(weir.admin, `/v1/traces/${trace}`);
    return answer.status === 200 && (JSON.parse(answer.text) as { spans: { attributes: object }[] });
  });
  expect(shown.spans[0]!.attributes).toMatchObject({ 'url.scheme': 'https', 'url.path': '/predict' });
});
