// Converts an ended request to a record: `pack` copies its values into a flat list on the main thread, and `unpack`
// builds the record on the writer thread. Hot path: `pack` runs for every request, so it formats nothing.
// Invariant: `pack` writes the values that `unpack` reads, in the same order.
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import type { BodyResult } from './bodies/body-reader.ts';
import type { Bodies } from '../store/store-entry.ts';
import type { LogRecord, RecordWriter } from '../log-record.ts';
import { SEVERITY } from '../severity.ts';

/** Number of values of one request in a packed list. */
export const VALUES_PER_REQUEST = 30;

/** Adds the values of an ended exchange to a list. `raw`: its captured bodies. */
export function pack(
  into: unknown[],
  e: Exchange,
  deployment: DeploymentIdentity | undefined,
  raw: RawBodies | undefined,
): void {
  into.push(
    e.id,
    e.startMs,
    e.startEpochMs,
    e.endMs,
    e.leasedMs,
    e.headMs,
    e.firstByteMs,
    e.waitedMs,
    e.connectedMs,
    e.queuedMs,
    e.protocol,
    e.method,
    e.target,
    e.remoteAddress,
    e.status,
    e.cause,
    e.detail,
    e.attempts,
    e.retries,
    e.requestBytes,
    e.responseBytes,
    e.isAsync,
    deployment?.id ?? '',
    deployment?.environment ?? '',
    e.replica,
    e.traceparent,
    e.spanId,
    e.parentSpanId,
    e.isSampled,
    raw,
  );
}

type Packed = [
  id: string,
  startMs: number,
  startEpochMs: number,
  endMs: number,
  leasedMs: number,
  headMs: number,
  firstByteMs: number,
  waitedMs: number,
  connectedMs: number,
  queuedMs: number,
  protocol: Exchange['protocol'],
  method: string,
  target: string,
  remote: string,
  status: number,
  cause: string,
  detail: string,
  attempts: number,
  retries: number,
  requestBytes: number,
  responseBytes: number,
  isAsync: boolean,
  deployment: string,
  environment: string,
  replica: string,
  traceparent: string,
  spanId: string,
  parentSpanId: string,
  isSampled: boolean,
  raw: RawBodies | undefined,
];

/** The severity of a request: error if weir or a replica failed, warning if the client did. */
function severityOf(protocol: string, status: number, cause: string): number {
  if (cause === 'client_gone' || cause === 'bad_request') return SEVERITY.warn;
  if (cause !== 'ok') return status >= 500 || protocol !== 'http' ? SEVERITY.error : SEVERITY.warn;
  if (protocol === 'grpc') return status === 0 ? SEVERITY.info : SEVERITY.warn;
  if (protocol === 'websocket') return status === 1011 ? SEVERITY.error : SEVERITY.info;
  return status >= 500 ? SEVERITY.error : status >= 400 ? SEVERITY.warn : SEVERITY.info;
}

const WITHOUT_BODIES = { facts: undefined, bodies: undefined, isFailedStream: false };

/** Milliseconds between two times, with three decimals; `undefined` if the second one is 0, which means never. */
const elapsed = (fromMs: number, toMs: number): number | undefined =>
  toMs === 0 ? undefined : Number((toMs - fromMs).toFixed(3));

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/**
 * Builds the record of the request at index `at` of a packed list, written by `own`. `readBodies` decodes its bodies;
 * `isEnded`: the response is complete according to its framing.
 */
export function unpack(
  values: readonly unknown[],
  at: number,
  own: RecordWriter,
  readBodies: (raw: RawBodies, isEnded: boolean) => BodyResult,
  redact: (text: string) => string,
): { record: LogRecord; bodies?: Bodies | undefined } {
  const [
    requestId, startMs, startEpochMs, endMs, leasedMs, headMs, firstByteMs, waitedMs, connectedMs, queuedMs, protocol,
    method, target, remote, status, cause, detail, attempts, retries, requestBytes, responseBytes, isAsync,
    deployment, environment, replica, traceparent, spanId, parentSpanId, isSampled, raw,
  ] = values.slice(at, at + VALUES_PER_REQUEST) as Packed; // prettier-ignore
  const { facts, bodies, isFailedStream } = raw ? readBodies(raw, cause === 'ok') : WITHOUT_BODIES;
  const query = target.indexOf('?');
  // Without the query string, which may contain secrets.
  const path = redact(query === -1 ? target : target.slice(0, query));
  const attributes = {
    method,
    path,
    protocol,
    cause,
    detail: detail === '' ? undefined : detail,
    remote: remote === '' ? undefined : remote,
    queue_ms: Number(waitedMs.toFixed(3)),
    async_wait_ms: queuedMs === 0 ? undefined : Number(queuedMs.toFixed(3)),
    leased_ms: elapsed(startMs, leasedMs),
    connected_ms: elapsed(startMs, connectedMs),
    head_ms: elapsed(startMs, headMs),
    first_byte_ms: elapsed(startMs, firstByteMs),
    request_bytes: requestBytes,
    response_bytes: responseBytes,
    attempts,
    retries: retries === 0 ? undefined : retries,
    async: isAsync ? true : undefined,
    is_sampled: isSampled ? true : undefined,
    has_bodies: bodies ? true : undefined,
    ...facts,
  };
  // A stream that reports an error in an event has failed, although its status means success. Clients close the
  // connection after such an event.
  const isFailed = isFailedStream && (status < 400 || cause !== 'ok');
  const failure = isFailed ? ` stream error: ${oneLine(facts?.response_error ?? '')}`.trimEnd() : '';
  const record: LogRecord = {
    seq: 0,
    kind: 'request',
    timeNs: BigInt(startEpochMs) * 1_000_000n,
    severity: isFailed ? SEVERITY.error : severityOf(protocol, status, cause),
    message: `${method} ${path} ${status}${cause === 'ok' ? '' : ` ${cause}`}${detail === '' ? '' : `: ${detail}`}${failure}`,
    requestId,
    traceId: traceparent.slice(3, 35),
    spanId,
    parentSpanId,
    deployment,
    environment,
    replica,
    source: 'weir',
    pod: own.pod,
    modelId: own.modelId,
    status,
    durationNs: Math.round((endMs - startMs) * 1e6),
    attributes: JSON.stringify(attributes),
  };
  return { record, bodies };
}
