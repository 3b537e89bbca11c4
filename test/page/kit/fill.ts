// Fills a data folder with 100,000 records of the last 24 hours, as a weir with four replicas would have stored them.
// Invariant: for the same end time the folder holds the same records; times ascend with sequence numbers.
import { BLOCK_ROWS } from '../../../src/telemetry/logs/store/block-rows.ts';
import { StoreWriter } from '../../../src/telemetry/logs/store/store-writer.ts';
import { annotationRecord } from '../../../src/telemetry/logs/annotation.ts';
import type { LogRecord } from '../../../src/telemetry/logs/log-record.ts';
import type { Bodies } from '../../../src/telemetry/logs/store/bodies.ts';
import { conversations, type ConversationName } from './conversations.ts';
import { hostileLines } from './hostile.ts';
import { asyncRecords, longTrace, requestRecord, traceIdOf, type RequestFacts } from './filled-records.ts';
import { Random } from './random.ts';

const DAY_MS = 86_400_000;
/** Records that are made beside the special ones, unless the caller wants more. */
const USUAL = 94_900;
/** Records that are stored in one transaction, at most. */
const BATCH = BLOCK_ROWS;
export const REPLICAS = ['abc12', 'def34', 'jm2q4', 'x7k9p'] as const;
/** For this long, in the last hour but one, def34 was down and jm2q4 ran out of memory. */
const INCIDENT = { beginMs: -2 * 3_600_000, endMs: -2 * 3_600_000 + 12 * 60_000 };

/** What is in the folder, by name. */
export interface FilledFacts {
  /** Milliseconds since the epoch: when the last record was written. */
  readonly endMs: number;
  /** Number of records. */
  readonly records: number;
  /** Ids of the requests with bodies. */
  readonly conversations: Readonly<Record<ConversationName, string>>;
  /** Trace of 5,000 spans, and the request that it belongs to. */
  readonly longTrace: { readonly traceId: string; readonly requestId: string };
  /** Id of the asynchronous request that ran twice. */
  readonly asyncRequest: string;
  /** A request of the incident that failed, with lines of the same replica around it. */
  readonly failedRequest: string;
}

const MODELS = [
  ['llama-3-70b', 0.6],
  ['llama-3-8b', 0.9],
  ['mixtral-8x7b', 1],
] as const;
const TIERS = ['free', 'free', 'free', 'free', 'pro', 'pro', 'enterprise'] as const;

/** A request as it usually is at a time, `atMs` before the end. */
function usualRequest(random: Random, timeMs: number, atMs: number): RequestFacts {
  const isIncident = atMs >= INCIDENT.beginMs && atMs < INCIDENT.endMs;
  const share = random.next();
  const model = MODELS.find(([, upTo]) => share < upTo)![0];
  const isStaging = random.next() < 0.08;
  const replica = isStaging
    ? 'st1'
    : random.pick(isIncident ? REPLICAS.filter((one) => one !== 'def34') : REPLICAS);
  const slow = isIncident ? 2.6 : 1 + 0.4 * Math.sin((timeMs / DAY_MS) * 2 * Math.PI);
  const queueMs = isIncident || random.next() < 0.02 ? random.next() * 900 * slow : random.next() * 2;
  const facts = {
    timeMs,
    random,
    replica,
    deployment: isStaging ? 'dep2' : 'dep1',
    environment: isStaging ? 'staging' : 'production',
    path: random.next() < 0.8 ? '/v1/chat/completions' : '/v1/completions',
    model,
    tier: random.pick(TIERS),
    queueMs,
    firstTokenMs: queueMs + 120 * slow + random.next() * 260 * slow,
    outputTokens: 20 + Math.floor(random.next() ** 2 * 900),
    inputTokens: 40 + Math.floor(random.next() ** 3 * 6000),
    msPerToken: model === 'llama-3-8b' ? 4 : 11 * slow,
  };
  return { ...facts, ...failureOf(random, isIncident, replica) };
}

/** Cause and status of a request; most are `ok`. */
function failureOf(
  random: Random,
  isIncident: boolean,
  replica: string,
): { readonly status: number; readonly cause: string; readonly detail: string } {
  const failure = (status: number, cause: string, detail = '') => ({ status, cause, detail });
  const share = random.next();
  if (isIncident && share < 0.08) return failure(502, 'reset_midway', 'read ECONNRESET');
  if (isIncident && share < 0.12)
    return failure(502, 'connect_failed', 'connect ECONNREFUSED 10.0.4.12:8000');
  if (isIncident && replica === 'jm2q4' && share < 0.3) return failure(500, 'ok');
  if (isIncident && share < 0.36) return failure(429, 'queue_full', '100 requests wait');
  if (share < 0.004) return failure(504, 'first_byte_timeout', 'no response head after 60 s');
  if (share < 0.01) return failure(500, 'ok');
  if (share < 0.022) return failure(499, 'client_gone', 'client disconnected');
  if (share < 0.03) return failure(400, 'bad_request', 'invalid JSON');
  if (share < 0.036) return failure(404, 'ok');
  if (share < 0.042) return failure(429, 'rate_limited');
  return failure(200, 'ok');
}

const LINE_TEXTS = [
  [5, 'scheduler: 3 running, 0 waiting, KV cache 41.2 %'],
  [9, 'Avg prompt throughput: 312.4 tokens/s, Avg generation throughput: 884.1 tokens/s'],
  [9, 'health probe answered in 2.1 ms'],
  [13, 'request took longer than 2 s: prompt of 5211 tokens'],
  [9, 'weights are warm, 4 sequences preempted since start'],
] as const;

const TRACEBACK = [
  'Traceback (most recent call last):',
  '  File "/srv/engine/worker.py", line 212, in execute',
  '    hidden = self.model(tokens, positions, kv_cache)',
  '  File "/srv/engine/model.py", line 118, in forward',
  '    out = self.attention(hidden, kv_cache[layer])',
  '  File "/usr/lib/python3/site-packages/torch/nn/modules/module.py", line 1511, in _call_impl',
  '    return forward_call(*args, **kwargs)',
  'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.20 GiB. GPU 0 has 79.15 GiB of which 204 MiB is free.',
].join('\n');

const line = (
  facts: Partial<LogRecord> & { readonly timeMs: number; readonly message: string },
): LogRecord => {
  const { timeMs, ...others } = facts;
  return {
    seq: 0,
    kind: 'line',
    timeNs: BigInt(Math.round(timeMs * 1000)) * 1000n,
    severity: 9,
    requestId: '',
    traceId: '',
    spanId: '',
    parentSpanId: '',
    deployment: 'dep1',
    environment: 'production',
    replica: 'abc12',
    source: 'stdout',
    pod: '',
    modelId: '',
    status: 0,
    durationNs: 0,
    attributes: '',
    ...others,
  };
};

/** What the replica wrote about a request, or on its own. */
function linesOf(random: Random, request: LogRecord, timeMs: number): LogRecord[] {
  const { requestId, traceId, spanId, replica, deployment, environment } = request;
  const owner = { replica, deployment, environment };
  const out: LogRecord[] = [];
  if (request.status === 500)
    out.push(
      line({
        ...owner,
        timeMs,
        message: TRACEBACK,
        severity: 17,
        source: 'stderr',
        requestId,
        traceId,
        spanId,
      }),
    );
  else if (random.next() < 0.34) {
    const [severity, message] = random.pick(LINE_TEXTS);
    const isOfRequest = random.next() < 0.5;
    out.push(
      line({ ...owner, timeMs, message, severity, ...(isOfRequest ? { requestId, traceId, spanId } : {}) }),
    );
  }
  return out;
}

/** Stores records in the order of their times. */
class Filler {
  readonly #writer: StoreWriter;
  #nowMs = 0;
  #waiting = 0;
  stored = 0;

  constructor(folder: string, beginMs: number) {
    this.#nowMs = beginMs;
    const clocks = { now: () => this.#nowMs, steady: () => this.#nowMs };
    this.#writer = new StoreWriter(
      { folder, maxBytes: 4 * 2 ** 30, retentionMs: 7 * DAY_MS },
      (level, event, fields) => {
        if (level === 'error') throw new Error(`${event} ${JSON.stringify(fields)}`);
      },
      clocks,
    );
    const problem = this.#writer.open();
    if (problem !== '') throw new Error(problem);
  }

  add(record: LogRecord, bodies?: Bodies): void {
    this.#nowMs = Number(record.timeNs / 1_000_000n);
    if (this.#writer.add(record, bodies) === 0) throw new Error('the store has no room');
    this.stored++;
    if (++this.#waiting === BATCH) this.#store();
  }

  #store(): void {
    const { kind } = this.#writer.store();
    if (kind !== 'stored') throw new Error(`the records are ${kind}`);
    this.#waiting = 0;
  }

  close(): void {
    this.#store();
    this.#writer.close();
  }
}

/** Scores and feedback that some requests got. */
function annotationsOf(random: Random, request: LogRecord, timeMs: number): LogRecord[] {
  if (request.status !== 200 || random.next() > 0.05) return [];
  const made = annotationRecord(
    { requestId: request.requestId },
    {
      scores: { Grounded: Math.round((0.55 + 0.45 * random.next()) * 100) / 100 },
      ...(random.next() < 0.1 ? { feedback: { rating: random.next() < 0.7 ? 1 : -1 } } : {}),
      ...(random.next() < 0.1 ? { tags: ['golden'] } : {}),
    },
    { deployment: '', environment: '', replica: '', source: 'api' },
  );
  if ('invalid' in made) throw new Error(made.invalid);
  return [{ ...made, timeNs: BigInt(Math.round(timeMs)) * 1_000_000n }];
}

/**
 * Fills `${dataDir}/logs`. `endMs`: time of the last record, milliseconds since the epoch. `usual`: records beside the
 * special ones.
 */
export function fill(dataDir: string, endMs: number, usual = USUAL): FilledFacts {
  const random = new Random(7);
  const beginMs = endMs - DAY_MS;
  /** Of the usual pause between records, so that times ascend in a larger folder, too. */
  const scale = Math.min(1, USUAL / usual);
  const filler = new Filler(`${dataDir}/logs`, beginMs);
  let failedRequest = '';
  for (let i = 0; filler.stored < usual; i++) {
    const timeMs = Math.floor(
      beginMs + (filler.stored / usual) * (DAY_MS - 1_800_000) + random.next() * 400 * scale,
    );
    const facts = usualRequest(random, timeMs, timeMs - endMs);
    const request = requestRecord(facts);
    filler.add(request);
    for (const one of linesOf(random, request, timeMs + 300 * scale)) filler.add(one);
    for (const one of annotationsOf(random, request, timeMs + 390 * scale)) filler.add(one);
    if (request.status === 500 && facts.replica === 'jm2q4') failedRequest = request.requestId;
  }
  // The last half hour: the records that tests look at.
  let timeMs = endMs - 1_700_000;
  const next = (): number => (timeMs += 20_000);
  const ids: Partial<Record<ConversationName, string>> = {};
  for (const [name, one] of conversations()) {
    const record = requestRecord(
      { ...usualRequest(random, next(), -1_500_000), ...one.facts, status: 200, cause: 'ok', detail: '' },
      one.attributes,
    );
    filler.add(record, one.bodies);
    ids[name] = record.requestId;
  }
  for (const message of hostileLines())
    filler.add(line({ timeMs: next(), message, severity: 13, source: 'stderr' }));
  const asyncRequest = asyncRecords(random, next());
  for (const record of asyncRequest.records) filler.add(record);
  const owner = requestRecord({
    ...usualRequest(random, endMs - 600_000, -600_000),
    status: 200,
    cause: 'ok',
    detail: '',
  });
  filler.add(owner);
  for (const record of longTrace(random, owner, 5000)) filler.add(record);
  filler.close();
  return {
    endMs,
    records: filler.stored,
    conversations: ids as FilledFacts['conversations'],
    longTrace: { traceId: traceIdOf(owner.requestId), requestId: owner.requestId },
    asyncRequest: asyncRequest.requestId,
    failedRequest,
  };
}
