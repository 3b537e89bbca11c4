// The delivery of a result to its webhook, as a span in the record: no exchange stands for it.
// Must stay true: of the webhook's URL only the host is said, for its path and query may be secrets.
import { spanId } from '../../core/request-id.ts';
import { isSampled, isValidTraceparent, spanIdOf, traceIdOf } from '../../core/exchange/identity.ts';
import { SEVERITY, type LogRecord } from '../logs/logs.ts';
import { KIND, known, STATUS } from './span.ts';

/** One attempt that has ended. */
export interface DeliverySpan {
  readonly requestId: string;
  readonly deployment: string;
  /** Of the submit. */
  readonly traceparent: string;
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly startEpochMs: number;
  readonly durationMs: number;
  /** Which attempt it was, from 1 on. */
  readonly attempt: number;
  /** In one word; `ok`. */
  readonly result: string;
  /** `undefined`: there was no answer. */
  readonly status: number | undefined;
  /** For people; empty where it went well. */
  readonly problem: string;
}

/** The span of an attempt; `undefined` where its trace is not sampled, and it did not fail or `onError` is false. */
export function deliverySpan(
  delivery: DeliverySpan,
  environment: string,
  onError: boolean,
): LogRecord | undefined {
  const { traceparent, requestId, deployment, startEpochMs, durationMs, result, status, problem } = delivery;
  if (!isValidTraceparent(traceparent)) return undefined;
  const isError = result !== 'ok';
  if (!isSampled(traceparent) && !(isError && onError)) return undefined;
  const url = URL.canParse(delivery.url) ? new URL(delivery.url) : undefined;
  const message = `webhook ${result}${status === undefined ? '' : ` ${status}`}`;
  const attributes = {
    name: 'POST',
    kind: KIND.client,
    ...(isError && { status_code: STATUS.error, status_message: problem }),
    ...known({
      'http.request.method': 'POST',
      'http.response.status_code': status,
      'server.address': url?.hostname,
      'url.scheme': url?.protocol.slice(0, -1),
      'error.type': isError ? (status === undefined ? result : String(status)) : undefined,
      'weir.webhook.result': result,
      'weir.webhook.attempt': delivery.attempt,
    }),
  };
  return {
    seq: 0,
    kind: 'span',
    timeNs: BigInt(Math.round(startEpochMs * 1000)) * 1000n,
    severity: isError ? SEVERITY.error : SEVERITY.info,
    message,
    requestId,
    traceId: traceIdOf(traceparent),
    spanId: spanId(),
    parentSpanId: spanIdOf(traceparent),
    deployment,
    environment,
    replica: '',
    source: 'weir',
    status: 0,
    durationNs: Math.round(durationMs * 1e6),
    attributes: JSON.stringify(attributes),
  };
}
