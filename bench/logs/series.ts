// Figures over time (POST /v1/series) of requests to language models: CPU for nine measures of a day.
// Invariant: requests go through the ring and the recorder thread, and the store has no other requests.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Exchange } from '../../src/core/exchange/exchange.ts';
import { LlmFacts } from '../../src/core/exchange/llm-facts.ts';
import { requestId } from '../../src/core/request-id.ts';
import {
  computeSeries,
  seriesField,
  seriesMeasure,
  type SeriesMeasure,
} from '../../src/telemetry/series/series.ts';
import { median } from '../stats.ts';
import { random } from '../texts.ts';
import { BenchStore } from './bench-store.ts';
import { atMost, type LogReport } from './log-report.ts';
import { SHARED } from '../unobserved.ts';

const DAY_MS = 86_400_000;
const STEP_MS = 900_000;
const SETTLE_MS = 1500;
/** Requests between two checks for room, and requests that may be on their way. */
const TURN = 100;
const IN_RING = 5000;
const ROUNDS = 5;
const MEASURES = [
  'requests',
  'errors',
  'latency_p50',
  'latency_p95',
  'ttft_p95',
  'input_tokens',
  'output_tokens',
  'tokens_per_second',
  'cost',
];
const PRICE = { input: 1, output: 2, cached: 1, reasoning: 2, currency: 'USD' };
const DEPLOYMENT = { id: 'dep1', environment: 'production' };

/** A streamed request to a model that ended. */
function ended(epochMs: number): Exchange {
  const startMs = 1_000_000 + random();
  const exchange = new Exchange(SHARED, requestId(epochMs), true, startMs, epochMs);
  const durationMs = 500 * Math.exp(3 * random());
  exchange.method = 'POST';
  exchange.target = '/v1/chat/completions';
  exchange.remoteAddress = '10.0.0.1';
  exchange.replica = `r${Math.floor(random() * 3)}`;
  exchange.attempts = 1;
  exchange.trace(undefined);
  exchange.leasedMs = startMs + 0.05;
  exchange.headMs = startMs + durationMs / 3;
  exchange.firstByteMs = exchange.headMs + 0.02;
  exchange.endMs = startMs + durationMs;
  const chance = random();
  exchange.status = chance < 0.98 ? 200 : chance < 0.99 ? 429 : 500;
  exchange.cause = 'ok';
  const [inputTokens, outputTokens] = [Math.floor(random() * 3000), Math.floor(random() * 500)];
  exchange.llm = Object.assign(new LlmFacts(), {
    model: random() < 0.5 ? 'a' : 'b',
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    isStream: true,
    isFinished: true,
    contentEvents: outputTokens,
    firstTokenMs: startMs + durationMs / 3,
    lastTokenMs: startMs + durationMs,
    price: PRICE,
    cost: (inputTokens * PRICE.input + outputTokens * PRICE.output) / 1e6,
  });
  return exchange;
}

/** `count`: requests of the day. */
export async function measureSeries(
  report: LogReport,
  root: string,
  { count }: { count: number },
): Promise<void> {
  const store = await BenchStore.open(join(root, 'series'));
  const toMs = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  const fromMs = toMs - DAY_MS;
  for (let n = 0; n < count; n++) {
    store.logs.requestEnded(ended(fromMs + Math.floor((n * DAY_MS) / count)), DEPLOYMENT);
    if (n % TURN === 0) while (n - store.stored('request') > IN_RING) await sleep(1);
  }
  await store.settled('request', count);
  await sleep(SETTLE_MS);
  const measures = MEASURES.map((name) => seriesMeasure(name, 'requests') as SeriesMeasure);
  for (const by of ['status', undefined]) {
    const spent: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = store.readerMicros;
      const { matched, isPartial } = await computeSeries(
        (query, timeoutMs) => store.logs.group(query, { timeoutMs }),
        {
          node: { op: 'field', name: 'kind', compare: '=', value: 'request' },
          span: { fromMs, toMs, stepMs: STEP_MS },
          by: by && seriesField(by, 'requests'),
          top: 6,
          beforeMs: undefined,
          measures,
        },
      );
      if (matched !== count && !isPartial) throw new Error(`${matched} of ${count} requests were measured`);
      spent.push((store.readerMicros - before) / 1000);
    }
    const title = `nine measures of ${count.toLocaleString('en')} requests, by 15 minutes${by ? ` and ${by}` : ''}`;
    report.add(
      by ? `series_by_${by}_ms` : 'series_ms',
      `${title}: CPU of the reader thread`,
      median(spent),
      ' ms',
      atMost(1000),
    );
  }
  await store.close();
}
