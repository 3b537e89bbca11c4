// A worker thread for tests: ends requests and counts them in memory of the main thread. Which ones follows from its
// number, so that the main thread knows what all threads have counted.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { causes, type Cause } from '../../src/core/errors.ts';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { LlmFacts } from '../../src/core/exchange/llm-facts.ts';
import { SharedArrays } from '../../src/core/shared-arrays.ts';
import { ThreadCounters } from '../../src/telemetry/metrics/metrics.ts';

export const COUNTER_SETTINGS = {
  metrics: { duration_buckets: [0.1, 1], size_buckets: [100, 1000], max_status_codes: 8 },
  models: { models: ['*'], max_models: 4 },
  maxDeployments: 3,
};

export interface CountingJob {
  readonly thread: number;
  readonly memory: readonly SharedArrayBuffer[];
  readonly requests: number;
  /** Requests that are left open at the end: WebSockets of deployment 1. */
  readonly left: number;
}

/** What request `i` of a thread is. */
export const requestOf = (thread: number, i: number) => ({
  deployment: (i + thread) % 3,
  status: 200 + ((Math.floor(i / 3) * 7 + thread * 3) % 12),
  cause: causes[i % causes.length] as Cause,
  bytes: (i * 37) % 1500,
  model: `model-${(i + 3 * thread) % 7}`,
  tokens: i % 10,
});

/** Ends the requests of a thread. */
export function countRequests(counters: ThreadCounters, { thread, requests, left }: CountingJob): void {
  const exchanges = new Exchanges({ trust_inbound: false }, counters.open);
  exchanges.observe(counters.inFlight);
  exchanges.observe(counters.llm);
  for (let i = 0; i < requests; i++) {
    const { deployment, status, cause, bytes, model, tokens } = requestOf(thread, i);
    const exchange = exchanges.open(undefined);
    exchange.route(deployment);
    exchange.requestBytes = bytes;
    exchange.llm = Object.assign(new LlmFacts(), { model, isFinished: true, outputTokens: tokens });
    exchange.close(cause, status);
  }
  for (let i = 0; i < left; i++) {
    const exchange = exchanges.open(undefined);
    exchange.route(1);
    exchange.upgrade();
  }
}

if (!isMainThread && parentPort !== null) {
  const job = workerData as CountingJob;
  const counters = new ThreadCounters(COUNTER_SETTINGS, new SharedArrays(job.memory));
  countRequests(counters, job);
  parentPort.postMessage('done', []);
  setInterval(() => undefined, 1000);
}
