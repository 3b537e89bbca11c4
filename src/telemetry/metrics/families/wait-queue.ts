// Families of the wait queue and of retries.
// Invariant: the length of a queue is read at the scrape.
import type { Family } from '../family.ts';

const BY_ID = ['deployment_id'];

export const waitQueueFamilies: readonly Family[] = [
  {
    name: 'weir_queue_length',
    type: 'gauge',
    help: 'Requests that wait for a free replica.',
    labels: BY_ID,
    samples: ({ labels, pool }) => labels.eachById((index) => pool.deployments[index]!.waitQueue.length),
  },
  {
    name: 'weir_queue_wait_seconds',
    type: 'histogram',
    help: 'Time that each request waited for a free replica, in seconds. 0 if it did not wait.',
    labels: BY_ID,
    samples: ({ labels, counters }) =>
      Array.from({ length: labels.count }, (_, index) => ({
        labels: { deployment_id: labels.id(index) },
        histogram: counters.waited(index),
      })),
  },
  {
    name: 'weir_queue_held_bytes',
    type: 'gauge',
    help: 'Bytes of request bodies buffered for waiting requests.',
    labels: [],
    samples: ({ pool }) => [{ labels: {}, value: pool.bufferBudget.bytes }],
  },
  {
    name: 'weir_retries_total',
    type: 'counter',
    help: 'Retries by reason: the replica was unreachable (connect), or its response was 502, 503 or 504 (answer).',
    labels: ['deployment_id', 'reason'],
    samples: ({ labels, proxy }) =>
      (['connect', 'answer'] as const).flatMap((reason) =>
        labels
          .eachById((index) => proxy.retries(index)[reason])
          .map((sample) => ({ ...sample, labels: { ...sample.labels, reason } })),
      ),
  },
  {
    name: 'weir_retries_over_budget_total',
    type: 'counter',
    help: 'Retries that were not made because the retry budget was spent.',
    labels: BY_ID,
    samples: ({ labels, proxy }) => labels.eachById((index) => proxy.retries(index).overBudget),
  },
];
