// The families of finished and running exchanges (contracts/baseten.md 4.2).
// Must stay true: they are read from the arrays that exchanges write; nothing is counted here.
import { causes, catalogue } from '../../../core/errors.ts';
import { OTHER, type RequestTotals, type HistogramName } from '../request-totals.ts';
import type { Family, Labels } from '../family.ts';
import type { InFlight } from '../in-flight.ts';
import { COMMON_LABELS, type CommonLabels } from './labels.ts';

const BY_STATUS = [...COMMON_LABELS, 'status_code', 'is_async'];

const histograms: [HistogramName, string, string][] = [
  [
    'endToEnd',
    'baseten_end_to_end_response_time_seconds',
    'Seconds from the first byte of a request to the last byte of its response, waiting and cold start included.',
  ],
  [
    'firstByte',
    'baseten_time_to_first_byte_seconds',
    'Seconds from the first byte of a request to the first byte of the body of its response, or to its head where there is no body; waiting and routing included.',
  ],
  ['requestSize', 'baseten_request_size_bytes', 'Bytes of the request body.'],
  ['responseSize', 'baseten_response_size_bytes', 'Bytes of the response body that were sent to the client.'],
];

export function requestFamilies(common: CommonLabels, blocks: RequestTotals, live: InFlight): Family[] {
  const byStatus = (block: { deployment: number; status: number; isAsync: boolean }): Labels =>
    common.with(block.deployment, {
      status_code: block.status === OTHER ? 'other' : String(block.status),
      is_async: String(block.isAsync),
    });
  return [
    {
      name: 'baseten_inference_requests_total',
      type: 'counter',
      help: 'Requests to the model that have ended, by the code of their protocol; 499: the client left.',
      labels: BY_STATUS,
      samples: () => Array.from(blocks.read(), (block) => ({ labels: byStatus(block), value: block.count })),
    },
    ...histograms.map(([histogram, name, help]): Family => ({
      name,
      type: 'histogram',
      help,
      labels: BY_STATUS,
      samples: () =>
        Array.from(blocks.read(), (block) => ({
          labels: byStatus(block),
          histogram: block.histogram(histogram),
        })),
    })),
    {
      name: 'baseten_concurrent_requests',
      type: 'gauge',
      help: 'Requests being served or waiting for a replica now; asynchronous ones are not counted.',
      labels: COMMON_LABELS,
      samples: () => common.each((index) => live.concurrent[index]!),
    },
    {
      name: 'baseten_ongoing_websocket_connections',
      type: 'gauge',
      help: 'WebSockets that are open now.',
      labels: COMMON_LABELS,
      samples: () => common.each((index) => live.websockets[index]!),
    },
    {
      name: 'weir_exchanges_total',
      type: 'counter',
      help: 'Exchanges that have ended, by cause and by who has to act on it; deployment_id is empty where none was chosen.',
      labels: ['deployment_id', 'cause', 'origin'],
      samples: () => {
        const samples = [];
        for (let row = 0; row <= common.count; row++)
          for (const [index, cause] of causes.entries()) {
            const value = live.ended[row * causes.length + index]!;
            if (value === 0 && cause !== 'ok') continue;
            const deployment_id = common.id(row - 1);
            const origin = cause === 'ok' ? '' : catalogue[cause].origin;
            samples.push({ labels: { deployment_id, cause, origin }, value });
          }
        return samples;
      },
    },
  ];
}
