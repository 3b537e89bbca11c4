// The families of waiting and of repeating: weir's own, beside the contract's.
// Must stay true: lengths are read from the pool at the moment of the scrape; nothing is counted here.
import type { Pool } from '../../../data-plane/replicas/pool.ts';
import type { Family } from '../family.ts';
import type { InFlight } from '../in-flight.ts';
import type { CommonLabels } from './labels.ts';

/** What a deployment's repeats came to. */
export interface RetryTotals {
  readonly connect: number;
  readonly answer: number;
  readonly overBudget: number;
}

const BY_ID = ['deployment_id'];

export function queueFamilies(
  common: CommonLabels,
  live: InFlight,
  pool: Pick<Pool, 'deployments' | 'bufferBudget'>,
  repeats: (deployment: number) => RetryTotals,
): Family[] {
  return [
    {
      name: 'weir_queue_length',
      type: 'gauge',
      help: 'Requests that wait in line for a replica now.',
      labels: BY_ID,
      samples: () => common.eachById((index) => pool.deployments[index]!.waitQueue.length),
    },
    {
      name: 'weir_queue_wait_seconds',
      type: 'histogram',
      help: 'Seconds that each request waited in line for a replica, 0 where it did not have to.',
      labels: BY_ID,
      samples: () =>
        Array.from({ length: common.count }, (_, index) => ({
          labels: { deployment_id: common.id(index) },
          histogram: live.waited(index),
        })),
    },
    {
      name: 'weir_queue_held_bytes',
      type: 'gauge',
      help: 'Bytes of request bodies held for those who wait in line.',
      labels: [],
      samples: () => [{ labels: {}, value: pool.bufferBudget.bytes }],
    },
    {
      name: 'weir_retries_total',
      type: 'counter',
      help: 'Times that a request was sent again: its replica could not be reached (connect), or answered 502, 503 or 504 (answer).',
      labels: ['deployment_id', 'reason'],
      samples: () =>
        (['connect', 'answer'] as const).flatMap((reason) =>
          common
            .eachById((index) => repeats(index)[reason])
            .map(({ labels, value }) => ({ labels: { ...labels, reason }, value })),
        ),
    },
    {
      name: 'weir_retries_over_budget_total',
      type: 'counter',
      help: 'Times that a request was not sent again because too many were being repeated already.',
      labels: BY_ID,
      samples: () => common.eachById((index) => repeats(index).overBudget),
    },
  ];
}
