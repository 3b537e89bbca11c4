// The families of asynchronous requests (contracts/baseten.md 4.2), and weir's own about them.
// Must stay true: a depth is read from the queue's memory at the moment of the scrape.
import { outcomes, type AsyncTotals } from '../async-totals.ts';
import type { Family } from '../family.ts';
import type { HistogramReading } from '../histogram.ts';
import { COMMON_LABELS, type CommonLabels } from './labels.ts';

/** Who knows of the queue and its webhooks. */
export interface AsyncSources {
  readonly depth: (deployment: string) => { readonly queued: number; readonly inProgress: number };
  readonly webhooks: () => ReadonlyMap<string, number>;
}

export function asyncFamilies(
  common: CommonLabels,
  figures: AsyncTotals,
  { depth, webhooks }: AsyncSources,
): Family[] {
  const histogram = (name: string, help: string, read: (deployment: number) => HistogramReading): Family => ({
    name,
    type: 'histogram',
    help,
    labels: COMMON_LABELS,
    samples: () =>
      Array.from({ length: common.count }, (_, index) => ({
        labels: common.of(index),
        histogram: read(index),
      })),
  });
  return [
    {
      name: 'baseten_async_queue_size',
      type: 'gauge',
      help: 'Asynchronous requests that are queued now.',
      labels: COMMON_LABELS,
      samples: () => common.each((index) => depth(common.id(index)).queued),
    },
    histogram(
      'baseten_time_in_async_queue_seconds',
      'Seconds from the submit of an asynchronous request to its first run.',
      (deployment) => figures.waited(deployment),
    ),
    {
      name: 'baseten_async_webhook_requests_total',
      type: 'counter',
      help: 'Attempts to deliver a webhook.',
      labels: COMMON_LABELS,
      samples: () => common.each((index) => figures.latency(index).count),
    },
    histogram(
      'baseten_async_webhook_latency_seconds',
      'Seconds that each attempt to deliver a webhook took.',
      (deployment) => figures.latency(deployment),
    ),
    {
      name: 'weir_async_in_progress',
      type: 'gauge',
      help: 'Asynchronous requests that run, or rest between two runs.',
      labels: ['deployment_id'],
      samples: () => common.eachById((index) => depth(common.id(index)).inProgress),
    },
    {
      name: 'weir_async_requests_total',
      type: 'counter',
      help: 'Asynchronous requests that have ended, by how.',
      labels: ['deployment_id', 'status'],
      samples: () =>
        outcomes.flatMap((status) =>
          common
            .eachById((index) => figures.outcome(index, status))
            .map(({ labels, value }) => ({ labels: { ...labels, status }, value })),
        ),
    },
    {
      name: 'weir_webhook_attempts_total',
      type: 'counter',
      help: 'Attempts to deliver a webhook, by what came of them.',
      labels: ['result'],
      samples: () => Array.from(webhooks(), ([result, value]) => ({ labels: { result }, value })),
    },
  ];
}
