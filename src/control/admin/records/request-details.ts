// All that is known of one record, for GET /v1/logs/{id}?with=details.
// Invariant: each search for it is limited, whatever other records have its ids.
import type { ServerResponse } from 'node:http';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { Queue } from '../../../async/queue/queue.ts';
import { costOf, type Prices } from '../../../telemetry/llm/prices.ts';
import { attributesOf, type LogRecord, type LogStore, type QueryNode } from '../../../telemetry/logs/logs.ts';
import { isObject } from '../../../protocol/llm/json-values.ts';
import { logObject } from '../logs/record-json.ts';
import { isClosed, pagedSearch } from '../logs/paged-search.ts';
import { allOf } from '../logs/search-params.ts';
import { annotationsOf, shownAnnotations } from './annotation-list.ts';
import type { RequestJson, ShownUsage, SiblingJson } from './request-json.ts';
import { shownBody, type CaptureRules } from './stored-body.ts';
import { taskJson } from './task-json.ts';

/** Modules that details come from. */
export interface DetailSources {
  readonly capture: CaptureRules;
  readonly prices: Pick<Prices, 'priceOf'>;
  readonly tasks: Pick<Queue, 'facts'>;
}

type Attributes = Readonly<Record<string, unknown>>;

const MAX_SIBLINGS = 50;
/** Relative difference up to which two costs are the same. */
const COST_TOLERANCE = 1e-6;
const UNKNOWN_COUNT = -1;
const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** `linesCount`: number of log lines with its id. `undefined` if the client has left. */
export async function requestDetails(
  logs: LogStore,
  sources: DetailSources,
  record: LogRecord,
  linesCount: number,
  res: ServerResponse,
): Promise<RequestJson | undefined> {
  const isRequest = record.kind === 'request';
  const attributes = attributesOf(record);
  const place = logs.placeOf(record);
  // Most records have none, and then none are looked up.
  const annotations = attributes['annotations'] === undefined ? [] : await annotationsOf(logs, record, res);
  const siblings = annotations && (await siblingsOf(logs, record, res));
  if (annotations === undefined || siblings === undefined) return undefined;
  const bodies = isRequest ? await logs.bodies(place) : undefined;
  // The queue may be a store that cannot be read just now; the record is there all the same.
  const task = isRequest ? await sources.tasks.facts(record.requestId).catch(() => undefined) : undefined;
  if (isClosed(res)) return undefined;
  const { request, response } = bodies ?? {};
  const body = (side: 'request' | 'response', own?: Uint8Array, other?: Uint8Array) =>
    shownBody(side, record, attributes, own, other !== undefined, sources.capture);
  return {
    log: logObject(record),
    place,
    lines_count: linesCount,
    trace_id: record.traceId === '' ? null : record.traceId,
    bodies: {
      request: body('request', request, response),
      response: body('response', response, request),
    },
    headers: {
      request: headersIn(attributes, 'request_headers'),
      response: headersIn(attributes, 'response_headers'),
    },
    usage: isRequest ? usageOf(attributes, record, sources.prices) : null,
    ...shownAnnotations(annotations),
    siblings,
    task: task === undefined ? null : taskJson(task),
  };
}

const headersIn = (attributes: Attributes, name: string): Attributes | null =>
  isObject(attributes[name]) ? attributes[name] : null;

async function siblingsOf(
  logs: LogStore,
  { kind, requestId, seq }: LogRecord,
  res: ServerResponse,
): Promise<readonly SiblingJson[] | undefined> {
  if (kind !== 'request' || requestId === '') return [];
  const node = allOf([equal('kind', 'request'), equal('requestId', requestId)]);
  const range = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'up', after: undefined } as const;
  const found = await pagedSearch(logs, { node, ...range, limit: MAX_SIBLINGS + 1 }, res);
  return found?.records
    .filter((other) => other.seq !== seq)
    .slice(0, MAX_SIBLINGS)
    .map((other) => siblingJson(logs, other));
}

function siblingJson(logs: LogStore, record: LogRecord): SiblingJson {
  const { cause, async: isAsync } = attributesOf(record);
  return {
    place: logs.placeOf(record),
    timestamp: formatTime(record.timeNs),
    message: record.message,
    status: record.status,
    duration_ms: record.durationNs / 1e6,
    is_async: isAsync === true,
    ...(record.replica === '' ? {} : { replica: record.replica }),
    ...(typeof cause === 'string' ? { cause } : {}),
  };
}

const USAGE_TEXTS = ['model', 'response_model', 'finish_reason'] as const;
const USAGE_NUMBERS = [
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'cached_tokens',
  'reasoning_tokens',
  'tokens_per_second',
  'first_token_ms',
] as const;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** What the request says of a language model; null for others. */
export function usageOf(
  attributes: Attributes,
  { timeNs, durationNs }: Pick<LogRecord, 'timeNs' | 'durationNs'>,
  prices: DetailSources['prices'],
): ShownUsage | null {
  const texts = USAGE_TEXTS.flatMap((name) =>
    textOf(attributes[name]) === '' ? [] : [[name, attributes[name]] as const],
  );
  const numbers = USAGE_NUMBERS.flatMap((name) =>
    numberOf(attributes[name]) === undefined ? [] : [[name, attributes[name]] as const],
  );
  if (texts.length === 0 && numbers.length === 0) return null;
  const cost = numberOf(attributes['cost']);
  const endMs = Number(timeNs / 1_000_000n) + durationNs / 1e6;
  const [model, responseModel] = [textOf(attributes['model']), textOf(attributes['response_model'])];
  const price =
    prices.priceOf(model, endMs) ?? (responseModel === '' ? undefined : prices.priceOf(responseModel, endMs));
  const count = (name: string): number => numberOf(attributes[name]) ?? UNKNOWN_COUNT;
  const counts = {
    inputTokens: count('input_tokens'),
    outputTokens: count('output_tokens'),
    totalTokens: count('total_tokens'),
    cachedTokens: count('cached_tokens'),
    reasoningTokens: count('reasoning_tokens'),
  };
  return {
    ...Object.fromEntries([...texts, ...numbers]),
    cost: cost ?? null,
    currency: textOf(attributes['currency']) || (price?.currency ?? null),
    prices:
      price === undefined
        ? null
        : {
            input: price.input,
            output: price.output,
            cached: price.cached,
            reasoning: price.reasoning,
            is_same: cost !== undefined && isClose(costOf(counts, price), cost),
          },
  };
}

const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= COST_TOLERANCE * Math.max(a, b);
