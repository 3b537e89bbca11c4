// The span of a webhook delivery attempt, as a record of kind `span`, since a delivery has no exchange.
// Invariant: the span contains only the host of the webhook's URL, since path and query may be secret.
import { spanId } from '../../core/request-id.ts';
import { isSampled, isValidTraceparent, spanIdOf, traceIdOf } from '../../core/exchange/identity.ts';
import { SEVERITY, type LogRecord } from '../logs/logs.ts';
import { KIND, STATUS, withoutEmpty } from './span.ts';

/** One delivery attempt that has ended. */
export interface DeliverySpan {
  readonly requestId: string;
  readonly deployment: string;
  /** The traceparent of the request that was queued. */
  readonly traceparent: string;
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly startEpochMs: number;
  readonly durationMs: number;
  /** Number of the attempt, from 1 on. */
  readonly attempt: number;
  /** `ok`, or the kind of failure in one word. */
  readonly result: string;
  /** HTTP status; `undefined` if there was no response. */
  readonly status: number | undefined;
  /** Why it failed; empty for `ok`. */
  readonly problem: string;
}

/** Returns `undefined` if the trace is not sampled. With `onError`, failed attempts are always sampled. */
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
    ...withoutEmpty({
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
    pod: '',
    modelId: '',
    status: 0,
    durationNs: Math.round(durationMs * 1e6),
    attributes: JSON.stringify(attributes),
  };
}
