// The exporter families on the metrics page, with exporters that run.
import { afterEach, expect, it } from 'vitest';
import { otlpExportFamilies } from '../../../../src/telemetry/metrics/families/otlp-export.ts';
import { Metrics } from '../../../../src/telemetry/metrics/metrics.ts';
import type { MetricSources } from '../../../../src/telemetry/metrics/metric-sources.ts';
import { connect, startConnections, stopConnections } from '../../../kit/connections.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { answering, Receiver } from '../../../kit/otlp-receiver.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await stopConnections();
  removeFolders();
});

it('counts the records of each destination by result, and those that are not sent yet', async () => {
  const receiver = await new Receiver().start();
  receiver.script.push(answering(200), answering(400));
  receiver.otherwise = answering(503);
  const { connections, records } = await startConnections();
  const { id } = await connect(connections, { name: 'collector', endpoint_url: receiver.url });
  const sources: Pick<MetricSources, 'exporters'> & { replicaMetrics: { pages: () => [] } } = {
    exporters: connections,
    replicaMetrics: { pages: () => [] },
  };
  const metrics = new Metrics(sources as unknown as MetricSources, otlpExportFamilies);
  records.lines('a', 3);
  await until('they are sent', () => connections.status(id)!.sent === 3);
  records.lines('b', 2);
  await until('they are refused', () => connections.status(id)!.rejected === 2);
  records.add({ message: 'waits', timeNs: BigInt(Date.now() - 5000) * 1_000_000n });
  await until('it is retrying', () => connections.status(id)!.state === 'retrying');
  const page = await metrics.page('text');
  for (const line of [
    'weir_otlp_export_records_total{destination="collector",result="sent"} 3',
    'weir_otlp_export_records_total{destination="collector",result="rejected"} 2',
    'weir_otlp_export_records_total{destination="collector",result="dropped"} 0',
    'weir_otlp_export_requests_total{destination="collector",code="200"} 1',
    'weir_otlp_export_requests_total{destination="collector",code="400"} 1',
    'weir_otlp_export_queue_records{destination="collector"} 1',
  ])
    expect(page).toContain(line);
  expect(Number(/lag_seconds\{destination="collector"\} (\S+)/.exec(page)?.[1])).toBeGreaterThanOrEqual(5);
  await receiver.stop();
});
