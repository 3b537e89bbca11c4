// What a receiver's response means for the records that were sent (docs/contracts/logs.md 3).
// Invariant: records are sent again only after 429, 502, 503, 504, no response, or a rejected sender; never after a
// partial success.
import { retryAfterMs } from '../../core/retry-after.ts';
import { decode, encodingOf, type Encoding } from '../../protocol/otlp/codec.ts';
import { logsResponse, rpcStatus, tracesResponse } from '../../protocol/otlp/messages.ts';
import type { TransportResult, ReceiverResponse } from '../../protocol/http/transport.ts';

/** Status codes that OTLP declares retryable. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/**
 * Status codes that reject the sender or the URL, not the records: an expired key, a mistyped path, a proxy in between.
 * OTLP says that these are not retried. weir retries them, since the store still holds the records, and all of them
 * would be lost before an operator corrects the setting.
 */
const LOCKED_OUT: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 407]);
/** Maximum number of characters of a receiver's text in a problem. */
const MAX_TEXT = 500;

export type ExportResult =
  /** Accepted, but for `rejected` records. `note`: text of the receiver; may be empty. */
  | { readonly kind: 'accepted'; readonly rejected: number; readonly note: string }
  /**
   * To be retried. `wasClosed`: the receiver closed the connection without a response, which some receivers and proxies
   * do when a request is too large.
   */
  | {
      readonly kind: 'retry';
      /** From Retry-After, if the receiver sent it. */
      readonly retryAfterMs: number | undefined;
      readonly wasClosed: boolean;
      readonly problem: string;
    }
  /** The receiver rejects the sender or the URL. Retried until an operator changes that. */
  | { readonly kind: 'locked_out'; readonly problem: string }
  | { readonly kind: 'too_large' | 'rejected'; readonly problem: string };

/** `encoding` and `count`: of the records that were sent. */
export function exportResult(
  response: TransportResult,
  signal: 'logs' | 'traces',
  encoding: Encoding,
  count: number,
  nowMs: number,
): ExportResult {
  if ('problem' in response)
    return {
      kind: 'retry',
      retryAfterMs: undefined,
      wasClosed: response.isCutOff,
      problem: response.problem,
    };
  const { status } = response;
  if (status >= 200 && status < 300) return accepted(response, signal, encoding, count);
  const text = errorText(response, encoding);
  const isRedirect = status >= 300 && status < 400;
  const hint = isRedirect ? ' (redirects are not followed)' : '';
  const problem = `receiver returned ${status}${hint}${text === '' ? '' : `: ${text}`}`;
  if (RETRYABLE.has(status))
    return {
      kind: 'retry',
      retryAfterMs: retryAfterMs(response.headers['retry-after'], nowMs),
      wasClosed: false,
      problem,
    };
  if (LOCKED_OUT.has(status) || isRedirect) return { kind: 'locked_out', problem };
  return { kind: status === 413 ? 'too_large' : 'rejected', problem };
}

/** A body that cannot be decoded counts as full success. */
function accepted(
  { headers, body }: ReceiverResponse,
  signal: 'logs' | 'traces',
  encoding: Encoding,
  count: number,
): ExportResult {
  const bodyEncoding = encodingOf(headers['content-type']) ?? encoding;
  let rejected = 0n;
  let note = '';
  if (signal === 'logs') {
    const decoded = decode(bodyEncoding, logsResponse, body);
    if ('message' in decoded)
      ({ rejectedLogRecords: rejected, errorMessage: note } = decoded.message.partialSuccess);
  } else {
    const decoded = decode(bodyEncoding, tracesResponse, body);
    if ('message' in decoded)
      ({ rejectedSpans: rejected, errorMessage: note } = decoded.message.partialSuccess);
  }
  return {
    kind: 'accepted',
    rejected: Math.min(count, Math.max(0, Number(rejected))),
    note: oneLine(note),
  };
}

/** The message of a google.rpc.Status, or the body as text. */
function errorText({ headers, body }: ReceiverResponse, encoding: Encoding): string {
  const type = headers['content-type'];
  const bodyEncoding = encodingOf(type) ?? (type === undefined ? encoding : undefined);
  const decoded = bodyEncoding === undefined ? undefined : decode(bodyEncoding, rpcStatus, body);
  if (decoded !== undefined && 'message' in decoded && decoded.message.message !== '')
    return oneLine(decoded.message.message);
  return bodyEncoding === 'protobuf' ? '' : oneLine(body.subarray(0, 4 * MAX_TEXT).toString('utf8'));
}

const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);
