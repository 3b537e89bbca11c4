// A request as clients of Portkey get a single log, besides weir's own fields.
// Source: docs/contracts/portkey.md 7.
import { isObject, parsedJson, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { centsOf, providerOf } from '../../../telemetry/exports/exports.ts';
import { attributesOf, type LogRecord } from '../../../telemetry/logs/logs.ts';
import { ORGANISATION } from './export-json.ts';

/** A stored body: its text, or base64 if it is not UTF-8. */
export interface BodyJson {
  readonly text?: string;
  readonly base64?: string;
}

/** The fields of a log object. `request`, `response`: stored bodies, which stay in the objects. */
export function portkeyLog(record: LogRecord, request?: BodyJson, response?: BodyJson): object {
  const attributes = attributesOf(record);
  const url = textIn(attributes, 'url') ?? textIn(attributes, 'path');
  const responseTime = record.durationNs / 1e6;
  return {
    _id: record.requestId || String(record.seq),
    organisation_id: ORGANISATION,
    created_at: createdAt(record),
    request: {
      ...request,
      url,
      method: textIn(attributes, 'method'),
      headers: attributes['request_headers'] ?? {},
      body: bodyOf(request),
      portkeyHeaders: {},
    },
    response: {
      ...response,
      status: record.status,
      headers: attributes['response_headers'] ?? {},
      body: bodyOf(response),
      responseTime,
      lastUsedOptionJsonPath: null,
    },
    metrics: metricsOf(record, attributes, url),
  };
}

const FIRST_ERROR_STATUS = 400;

function metricsOf(record: LogRecord, attributes: JsonObject, url: string | null): object {
  const metadata = isObject(attributes['metadata']) ? attributes['metadata'] : {};
  const { cost } = attributes;
  return {
    id: record.requestId || String(record.seq),
    created_at: createdAt(record),
    is_success: record.status < FIRST_ERROR_STATUS ? 1 : 0,
    ai_org: textIn(attributes, 'provider') ?? providerOf(textIn(attributes, 'path') ?? ''),
    ai_model: textIn(attributes, 'response_model') ?? textIn(attributes, 'model'),
    req_units: attributes['input_tokens'] ?? null,
    res_units: attributes['output_tokens'] ?? null,
    total_units: attributes['total_tokens'] ?? null,
    cost: typeof cost === 'number' ? centsOf(cost) : null,
    cost_currency: textIn(attributes, 'currency'),
    request_url: url,
    request_method: textIn(attributes, 'method'),
    response_status_code: record.status,
    response_time: record.durationNs / 1e6,
    stream_mode: attributes['is_stream'] === true ? 1 : 0,
    trace_id: textIn(attributes, 'portkey_trace_id') ?? textOrNull(record.traceId),
    span_id: textIn(attributes, 'portkey_span_id') ?? textOrNull(record.spanId),
    parent_span_id: textIn(attributes, 'portkey_parent_span_id') ?? textOrNull(record.parentSpanId),
    span_name: textIn(attributes, 'span_name'),
    mode: textIn(attributes, 'mode'),
    config: textIn(attributes, 'config'),
    prompt_slug: textIn(attributes, 'prompt_slug'),
    'metadata.key': Object.keys(metadata),
    'metadata.value': Object.values(metadata).map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    ),
  };
}

const textOrNull = (text: string): string | null => (text === '' ? null : text);

function textIn(attributes: JsonObject, name: string): string | null {
  const value = attributes[name];
  return typeof value === 'string' ? value : null;
}

const createdAt = ({ timeNs }: LogRecord): string => new Date(Number(timeNs / 1_000_000n)).toISOString();

/** The value of a body: JSON if it is that, else its text; null if it is not stored. */
function bodyOf(body: BodyJson | undefined): unknown {
  const text = body?.text;
  if (text === undefined) return body?.base64 ?? null;
  return parsedJson(text) ?? text;
}
