// Tasks of the queue as operators get them, with their runs and deliveries from the log store.
// Invariant: a search for records of one task is limited, whatever other programs post with its id.
import type { ServerResponse } from 'node:http';
import { isValidTraceparent, traceIdOf } from '../../../core/exchange/identity.ts';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { TaskFacts } from '../../../async/queue/queue.ts';
import { attributesOf, type LogRecord, type LogStore, type QueryNode } from '../../../telemetry/logs/logs.ts';
import { allOf } from '../logs/search-params.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import type { AsyncDeliveryJson, AsyncDetailJson, AsyncRunJson, AsyncTaskJson } from './async-json.ts';

/** Most runs, and most deliveries, of one task that are returned. */
const MAX_SHOWN = 50;
const MAX_RECORDS = 200;

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms));

export const taskJson = (task: TaskFacts): AsyncTaskJson => ({
  id: task.id,
  deployment: task.deployment,
  state: task.status,
  phase: task.phase,
  webhook_status: task.webhookStatus,
  priority: task.priority,
  created_at: iso(task.createdMs),
  state_at: iso(task.statusMs),
  expires_at: isoOrNull(task.expiresMs),
  due_at: isoOrNull(task.dueMs),
  attempts: task.attempts,
  max_attempts: task.maxAttempts,
  deliveries: task.deliveries,
  // Path and query may be secret.
  webhook_host: URL.canParse(task.webhook) ? new URL(task.webhook).host : null,
  key_name: task.client === '' ? null : task.client,
  trace_id: isValidTraceparent(task.traceparent) ? traceIdOf(task.traceparent) : null,
  errors: task.errors.map(({ code, message }) => ({ code, message })),
});

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** A task with its runs and deliveries. `undefined` if the client has left. `logs`: `undefined` if nothing is recorded. */
export async function taskDetail(
  task: TaskFacts,
  logs: LogStore | undefined,
  res: ServerResponse,
): Promise<AsyncDetailJson | undefined> {
  const detail = { task: taskJson(task), runs: [], delivery_tries: [], submit_place: null };
  if (logs === undefined) return detail;
  const node = allOf([
    equal('requestId', task.id),
    { op: 'or', of: [equal('kind', 'request'), allOf([equal('kind', 'span'), equal('source', 'weir')])] },
  ]);
  const range = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'up', after: undefined } as const;
  const found = await pagedSearch(logs, { node, ...range, limit: MAX_RECORDS }, res);
  if (found === undefined) return undefined;
  const read = found.records.map((record) => ({
    record,
    attributes: attributesOf(record),
    place: logs.placeOf(record),
  }));
  const requests = read.filter(({ record }) => record.kind === 'request');
  return {
    ...detail,
    runs: requests.filter(isRun).slice(0, MAX_SHOWN).map(runJson),
    delivery_tries: read
      .filter(({ record, attributes }) => record.kind === 'span' && isDelivery(attributes))
      .slice(0, MAX_SHOWN)
      .map(deliveryJson),
    submit_place: requests.find((one) => !isRun(one))?.place ?? null,
  };
}

/** A record that is read, with its attributes. */
interface ReadRecord {
  readonly record: LogRecord;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly place: string;
}

const isRun = ({ attributes }: ReadRecord): boolean => attributes['async'] === true;

/** True for the attributes of the span of a webhook delivery (telemetry/tracing/webhook-span.ts). */
export const isDelivery = (attributes: Readonly<Record<string, unknown>>): boolean =>
  typeof attributes['weir.webhook.attempt'] === 'number';

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** A member only if it has a value. */
const given = <K extends string, V>(name: K, value: V | undefined): { readonly [key in K]?: V } =>
  (value === undefined ? {} : { [name]: value }) as { readonly [key in K]?: V };

const runJson = ({ record, attributes, place }: ReadRecord): AsyncRunJson => ({
  place,
  timestamp: formatTime(record.timeNs),
  duration_ms: record.durationNs / 1e6,
  status: record.status,
  ...given('cause', textOf(attributes['cause'])),
  ...given('replica', textOf(record.replica)),
  ...given('waited_ms', numberOf(attributes['async_wait_ms'])),
  ...given('error', textOf(attributes['detail']) ?? textOf(attributes['response_error'])),
});

const deliveryJson = ({ record, attributes, place }: ReadRecord): AsyncDeliveryJson => ({
  place,
  timestamp: formatTime(record.timeNs),
  duration_ms: record.durationNs / 1e6,
  attempt: attributes['weir.webhook.attempt'] as number,
  result: textOf(attributes['weir.webhook.result']) ?? 'unknown',
  ...given('status', numberOf(attributes['http.response.status_code'])),
  ...given('host', textOf(attributes['server.address'])),
  ...given('error', textOf(attributes['status_message'])),
});
