// The families of what is sent to OTLP receivers: weir's own.
// Must stay true: there are as many series as there are connections, and a destination's name is what its owner gave it.
import type { Family, Sample } from '../family.ts';

/** How one destination is doing. */
export interface ExportFigures {
  readonly destination: string;
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly queue_records: number;
  readonly lag_seconds: number;
  /** Requests by the status that came back; `none`: nothing did. */
  readonly requests: ReadonlyMap<string, number>;
}

export function exportFamilies(readings: () => readonly ExportFigures[]): Family[] {
  const each = (value: (figures: ExportFigures) => number) => (): Sample[] =>
    readings().map((figures) => ({
      labels: { destination: figures.destination },
      value: value(figures),
    }));
  return [
    {
      name: 'weir_otlp_export_records_total',
      type: 'counter',
      help: 'Records by what became of them: taken by the receiver (sent), refused for good (rejected), or expired before they could be sent (dropped).',
      labels: ['destination', 'result'],
      samples: () =>
        readings().flatMap((figures) =>
          (['sent', 'rejected', 'dropped'] as const).map((result) => ({
            labels: { destination: figures.destination, result },
            value: figures[result],
          })),
        ),
    },
    {
      name: 'weir_otlp_export_requests_total',
      type: 'counter',
      help: 'Requests to the receiver by the status of its answer; none: there was no answer.',
      labels: ['destination', 'code'],
      samples: () =>
        readings().flatMap(({ destination, requests }) =>
          Array.from(requests, ([code, value]) => ({ labels: { destination, code }, value })),
        ),
    },
    {
      name: 'weir_otlp_export_queue_records',
      type: 'gauge',
      help: 'Stored records that are behind the last one that is done with, those among them that are not wanted included.',
      labels: ['destination'],
      samples: each((figures) => figures.queue_records),
    },
    {
      name: 'weir_otlp_export_lag_seconds',
      type: 'gauge',
      help: 'Age of the oldest record that is still to be sent; 0: there is none.',
      labels: ['destination'],
      samples: each((figures) => figures.lag_seconds),
    },
  ];
}
