// Families of finished and running requests (docs/contracts/serving.md 4.2).
import { causes, catalogue } from '../../../core/errors.ts';
import { COMMON_LABELS, type Labels } from '../deployment-labels.ts';
import type { Family } from '../family.ts';
import type { MetricSources } from '../metric-sources.ts';
import { OTHER, type HistogramName, type RequestTotalsReading } from '../request-totals.ts';

const BY_STATUS = [...COMMON_LABELS, 'status_code', 'is_async'];

const labelsOf = ({ labels }: MetricSources, { deployment, status, isAsync }: RequestTotalsReading): Labels =>
  labels.with(deployment, {
    status_code: status === OTHER ? 'other' : String(status),
    is_async: String(isAsync),
  });

const histogram = (name: string, part: HistogramName, help: string): Family => ({
  name,
  type: 'histogram',
  help,
  labels: BY_STATUS,
  samples: (sources) =>
    Array.from(sources.counters.requests.read(), (block) => ({
      labels: labelsOf(sources, block),
      histogram: block.histogram(part),
    })),
});

export const requestFamilies: readonly Family[] = [
  {
    name: 'baseten_inference_requests_total',
    type: 'counter',
    help: 'Finished requests to the model, by status code of their protocol. 499: the client disconnected.',
    labels: BY_STATUS,
    samples: (sources) =>
      Array.from(sources.counters.requests.read(), (block) => ({
        labels: labelsOf(sources, block),
        value: block.count,
      })),
  },
  histogram(
    'baseten_end_to_end_response_time_seconds',
    'endToEnd',
    'Time from the first byte of the request to the last byte of the response, in seconds, including waiting and cold start.',
  ),
  histogram(
    'baseten_time_to_first_byte_seconds',
    'firstByte',
    'Time from the first byte of the request to the first byte of the response body, or to the response head if there is no body, in seconds, including routing and waiting.',
  ),
  histogram('baseten_request_size_bytes', 'requestSize', 'Size of the request body in bytes.'),
  histogram(
    'baseten_response_size_bytes',
    'responseSize',
    'Size of the response body as sent to the client, in bytes.',
  ),
  {
    name: 'baseten_concurrent_requests',
    type: 'gauge',
    help: 'Requests that are being served or wait for a replica. Asynchronous requests do not count.',
    labels: COMMON_LABELS,
    samples: ({ labels, counters }) => labels.each((index) => counters.concurrent(index)),
  },
  {
    name: 'baseten_ongoing_websocket_connections',
    type: 'gauge',
    help: 'Open WebSocket connections.',
    labels: COMMON_LABELS,
    samples: ({ labels, counters }) => labels.each((index) => counters.websockets(index)),
  },
  {
    name: 'weir_exchanges_total',
    type: 'counter',
    help: 'Finished requests, by cause and by origin (who has to act on it). deployment_id is empty if no deployment was chosen.',
    labels: ['deployment_id', 'cause', 'origin'],
    samples: ({ labels, counters }) => {
      const samples = [];
      for (let row = 0; row <= labels.count; row++)
        for (const cause of causes) {
          const value = counters.ended(row, cause);
          if (value === 0 && cause !== 'ok') continue;
          const deployment_id = labels.id(row - 1);
          const origin = cause === 'ok' ? '' : catalogue[cause].origin;
          samples.push({ labels: { deployment_id, cause, origin }, value });
        }
      return samples;
    },
  },
];
