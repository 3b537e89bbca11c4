// Families of asynchronous requests and their webhooks (docs/contracts/serving.md 4.2, and weir's own).
// Invariant: the length of a queue is read at the scrape.
import { outcomes } from '../async-totals.ts';
import { COMMON_LABELS } from '../deployment-labels.ts';
import type { Family } from '../family.ts';
import type { HistogramReading } from '../histogram.ts';
import type { MetricSources } from '../metric-sources.ts';

const histogram = (
  name: string,
  help: string,
  read: (sources: MetricSources, deployment: number) => HistogramReading,
): Family => ({
  name,
  type: 'histogram',
  help,
  labels: COMMON_LABELS,
  samples: (sources) =>
    Array.from({ length: sources.labels.count }, (_, index) => ({
      labels: sources.labels.of(index),
      histogram: read(sources, index),
    })),
});

export const asyncFamilies: readonly Family[] = [
  {
    name: 'baseten_async_queue_size',
    type: 'gauge',
    help: 'Asynchronous requests in the queue.',
    labels: COMMON_LABELS,
    samples: ({ labels, queue }) => labels.each((index) => queue.depth(labels.id(index)).queued),
  },
  histogram(
    'baseten_time_in_async_queue_seconds',
    'Time from the submission of an asynchronous request to its first attempt, in seconds.',
    ({ counters }, index) => counters.async.waited(index),
  ),
  {
    name: 'baseten_async_webhook_requests_total',
    type: 'counter',
    help: 'Webhook delivery attempts.',
    labels: COMMON_LABELS,
    samples: ({ labels, counters }) => labels.each((index) => counters.async.latency(index).count),
  },
  histogram(
    'baseten_async_webhook_latency_seconds',
    'Duration of each webhook delivery attempt, in seconds.',
    ({ counters }, index) => counters.async.latency(index),
  ),
  {
    name: 'weir_async_in_progress',
    type: 'gauge',
    help: 'Asynchronous requests that a replica works on, or that wait for their next attempt.',
    labels: ['deployment_id'],
    samples: ({ labels, queue }) => labels.eachById((index) => queue.depth(labels.id(index)).inProgress),
  },
  {
    name: 'weir_async_requests_total',
    type: 'counter',
    help: 'Finished asynchronous requests, by final status.',
    labels: ['deployment_id', 'status'],
    samples: ({ labels, counters }) =>
      outcomes.flatMap((status) =>
        labels
          .eachById((index) => counters.async.outcome(index, status))
          .map((sample) => ({ ...sample, labels: { ...sample.labels, status } })),
      ),
  },
  {
    name: 'weir_webhook_attempts_total',
    type: 'counter',
    help: 'Webhook delivery attempts, by result.',
    labels: ['result'],
    samples: ({ webhooks }) =>
      Array.from(webhooks.counts, ([result, value]) => ({ labels: { result }, value })),
  },
];
