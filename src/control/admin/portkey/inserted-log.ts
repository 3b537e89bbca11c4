// A log that a client of Portkey inserts, as a record of a request with its bodies.
// Invariant: what the bodies say of model, tokens and end is read as it is for requests that weir forwards.
// Source: docs/contracts/portkey.md 3.
import type { LlmFacts } from '../../../core/exchange/llm-facts.ts';
import { spanIdOfText, traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { derivedSpanId, derivedTraceId } from '../../../core/exchange/identity.ts';
import { requestId } from '../../../core/request-id.ts';
import { isObject, textAt, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { llmAttributes, SEVERITY, type LogRecord, type StoredBodies } from '../../../telemetry/logs/logs.ts';
import { factsOfBodies, insertedBody, type InsertedBody } from './body-facts.ts';
import {
  firstOf,
  InsertedFields,
  ownMetadata,
  PARENT_NAMES,
  SPAN_NAMES_OF_LOG,
  TITLE_NAMES,
  TRACE_NAMES,
  type InsertProblem,
} from './inserted-fields.ts';

/** A record that is not stored yet, with the bodies of its request. */
export interface InsertedLog {
  readonly record: LogRecord;
  readonly bodies: StoredBodies;
}

/** Sets price and cost of the facts of a request that ended at `nowMs`. */
export type SetCost = (facts: LlmFacts, nowMs: number) => void;

/** Reads one log. `nowMs`: milliseconds since the epoch. */
export function insertedLog(value: unknown, nowMs: number, setCost: SetCost): InsertedLog | InsertProblem {
  if (!isObject(value)) return { key: '', problem: 'must be an object with request and response' };
  const fields = new InsertedFields();
  const request = fields.object(value, 'request');
  const response = fields.object(value, 'response');
  const bodies = [fields.body(request, 'request.body'), fields.body(response, 'response.body')] as const;
  const metadata = fields.object(value, 'metadata', 'metadata', true);
  const { path, url } = fields.url(request);
  const method = fields.method(request);
  const status = fields.status(response);
  const { durationMs, beginMs } = fields.times(response, nowMs);
  const trace = fields.id(metadata, TRACE_NAMES, traceIdOfText);
  const span = fields.id(metadata, SPAN_NAMES_OF_LOG, spanIdOfText);
  const parent = fields.id(metadata, PARENT_NAMES, spanIdOfText);
  const requestHeaders = fields.object(request, 'headers', 'request.headers', true);
  const responseHeaders = fields.object(response, 'headers', 'response.headers', true);
  if (fields.problem !== undefined) return fields.problem;

  const requestBody = insertedBody(bodies[0]);
  const isStream = firstOf(response, ['streaming_mode', 'streamingMode']) === true;
  const responseBody = insertedBody(bodies[1], isStream);
  const facts = factsOf(requestBody, responseBody, isStream);
  if (facts !== undefined) setCost(facts, nowMs);
  const id = requestId(nowMs);
  return {
    record: {
      seq: 0,
      kind: 'request',
      timeNs: BigInt(Math.round(beginMs * 1000)) * 1000n,
      severity: status >= 500 ? SEVERITY.error : status >= 400 ? SEVERITY.warn : SEVERITY.info,
      message: `${method} ${path} ${status}`,
      requestId: id,
      // A log without ids is a trace of its own.
      traceId: trace.id || (derivedTraceId(id) ?? ''),
      spanId: span.id || (derivedSpanId(id) ?? ''),
      parentSpanId: parent.id,
      deployment: '',
      environment: '',
      replica: '',
      source: 'api',
      pod: '',
      modelId: '',
      status,
      durationNs: Math.round(durationMs * 1e6),
      attributes: JSON.stringify({
        method,
        path,
        url,
        protocol: 'http',
        cause: 'ok',
        request_bytes: requestBody.bytes?.length ?? 0,
        response_bytes: responseBody.bytes?.length ?? 0,
        provider: textAt(request, 'provider') || undefined,
        ...(facts && llmAttributes(facts)),
        portkey_trace_id: trace.text || undefined,
        portkey_span_id: span.text || undefined,
        portkey_parent_span_id: parent.text || undefined,
        span_name: firstOf(metadata, TITLE_NAMES),
        metadata: ownMetadata(metadata),
        request_headers: unlessEmpty(requestHeaders),
        response_headers: unlessEmpty(responseHeaders),
      }),
    },
    bodies: { request: requestBody.bytes, response: responseBody.bytes },
  };
}

const unlessEmpty = (fields: JsonObject): JsonObject | undefined =>
  Object.keys(fields).length === 0 ? undefined : fields;

function factsOf(request: InsertedBody, response: InsertedBody, isStream: boolean): LlmFacts | undefined {
  const facts = factsOfBodies(request, response);
  if (facts !== undefined && isStream && !facts.isStream) {
    // The client has assembled the stream.
    facts.isStream = true;
    facts.isFinished = facts.finishReason !== '';
  }
  return facts;
}
