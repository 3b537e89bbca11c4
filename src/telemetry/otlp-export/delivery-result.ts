// What a receiver's answer means for what was sent.
// Must stay true: again only what OTLP says may be sent again (429, 502, 503, 504, no answer), and what was not looked at
// for reasons that are not the records'; a partial success never. Source: contracts/logplane.md C3.
import { decode, encodingOf, type Encoding } from '../../protocol/otlp/codec.ts';
import { logsResponse, rpcStatus, tracesResponse } from '../../protocol/otlp/messages.ts';
import type { TransportResult, ReceiverResponse } from './transport.ts';

const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/**
 * Who sends, or where to, is wrong: a key that has expired, a path that was mistyped, a proxy before it. Against OTLP,
 * which has other 4xx never sent again: an SDK must drop what it cannot hold, but the store holds these records, and all
 * of them would be gone before somebody has put it right.
 */
const NOT_ITS_FAULT: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 407]);
const MAX_RETRY_AFTER_MS = 10 * 60_000;
const MAX_TEXT = 500;

export type ExportResult =
  /** Arrived; `rejected` of it the receiver did not want, `note` is what it said to that. */
  | { readonly is: 'taken'; readonly rejected: number; readonly note: string }
  /**
   * Worth another attempt, after the time that the receiver asked for, if it did. `isCutOff`: it closed the
   * connection without an answer, which some receivers, and proxies before them, do on what is too large for them.
   */
  | {
      readonly is: 'again';
      readonly afterMs: number | undefined;
      readonly isCutOff: boolean;
      readonly problem: string;
    }
  /** The receiver takes nothing from us as we are: worth another attempt when somebody may have put that right. */
  | { readonly is: 'locked_out'; readonly problem: string }
  | { readonly is: 'too_large' | 'refused'; readonly problem: string };

/** `count` records were sent, in this encoding. */
export function exportResult(
  answer: TransportResult,
  signal: 'logs' | 'traces',
  encoding: Encoding,
  count: number,
  nowMs: number,
): ExportResult {
  if ('problem' in answer)
    return { is: 'again', afterMs: undefined, isCutOff: answer.isCutOff, problem: answer.problem };
  const { status } = answer;
  if (status >= 200 && status < 300) return taken(answer, signal, encoding, count);
  const said = errorText(answer, encoding);
  const hint = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  const problem = `answered ${status}${hint}${said === '' ? '' : `: ${said}`}`;
  if (RETRYABLE.has(status))
    return {
      is: 'again',
      afterMs: retryAfterMs(answer.headers['retry-after'], nowMs),
      isCutOff: false,
      problem,
    };
  if (NOT_ITS_FAULT.has(status) || (status >= 300 && status < 400)) return { is: 'locked_out', problem };
  return { is: status === 413 ? 'too_large' : 'refused', problem };
}

/** An answer that cannot be read says nothing against what was sent. */
function taken(
  { headers, body }: ReceiverResponse,
  signal: 'logs' | 'traces',
  encoding: Encoding,
  count: number,
): ExportResult {
  const its = encodingOf(headers['content-type']) ?? encoding;
  let rejected = 0n;
  let note = '';
  if (signal === 'logs') {
    const read = decode(its, logsResponse, body);
    if ('message' in read)
      ({ rejectedLogRecords: rejected, errorMessage: note } = read.message.partialSuccess);
  } else {
    const read = decode(its, tracesResponse, body);
    if ('message' in read) ({ rejectedSpans: rejected, errorMessage: note } = read.message.partialSuccess);
  }
  return { is: 'taken', rejected: Math.min(count, Math.max(0, Number(rejected))), note: oneLine(note) };
}

/** The message of google.rpc.Status, or the text that came in its place. */
function errorText({ headers, body }: ReceiverResponse, encoding: Encoding): string {
  const its =
    encodingOf(headers['content-type']) ?? (headers['content-type'] === undefined ? encoding : undefined);
  const read = its === undefined ? undefined : decode(its, rpcStatus, body);
  if (read !== undefined && 'message' in read && read.message.message !== '')
    return oneLine(read.message.message);
  return its === 'protobuf' ? '' : oneLine(body.subarray(0, 4 * MAX_TEXT).toString('utf8'));
}

const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);

/** Retry-After, seconds or a date (RFC 9110 10.2.3), in milliseconds from now; never more than ten minutes. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  // A date has the name of its month; the parser would take other texts for years.
  const isDate = /[A-Za-z]{3}/.test(value);
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : isDate ? Date.parse(value) - nowMs : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
