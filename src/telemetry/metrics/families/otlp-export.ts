// Families of the exporters to OTLP destinations.
import type { Family, Sample } from '../family.ts';
import type { ExportFigures, MetricParts } from '../metric-sources.ts';

const figuresOf = ({ exporters }: Pick<MetricParts, 'exporters'>): readonly ExportFigures[] =>
  exporters?.readings() ?? [];
const each =
  (valueOf: (figures: ExportFigures) => number) =>
  (sources: Pick<MetricParts, 'exporters'>): Sample[] =>
    figuresOf(sources).map((figures) => ({
      labels: { destination: figures.destination },
      value: valueOf(figures),
    }));

export const otlpExportFamilies: readonly Family<Pick<MetricParts, 'exporters'>>[] = [
  {
    name: 'weir_otlp_export_records_total',
    type: 'counter',
    help: 'Records by result: accepted by the receiver (sent), rejected by it for good (rejected), or expired before they were sent (dropped).',
    labels: ['destination', 'result'],
    samples: (sources) =>
      figuresOf(sources).flatMap((figures) =>
        (['sent', 'rejected', 'dropped'] as const).map((result) => ({
          labels: { destination: figures.destination, result },
          value: figures[result],
        })),
      ),
  },
  {
    name: 'weir_otlp_export_requests_total',
    type: 'counter',
    help: 'Requests to the receiver, by HTTP status. `none`: no response.',
    labels: ['destination', 'code'],
    samples: (sources) =>
      figuresOf(sources).flatMap(({ destination, requests }) =>
        Array.from(requests, ([code, value]) => ({ labels: { destination, code }, value })),
      ),
  },
  {
    name: 'weir_otlp_export_queue_records',
    type: 'gauge',
    help: 'Records stored but not yet processed by this exporter.',
    labels: ['destination'],
    samples: each((figures) => figures.queue_records),
  },
  {
    name: 'weir_otlp_export_lag_seconds',
    type: 'gauge',
    help: 'Age of the oldest record that is not sent yet, in seconds. 0 means that all are sent.',
    labels: ['destination'],
    samples: each((figures) => figures.lag_seconds),
  },
];
