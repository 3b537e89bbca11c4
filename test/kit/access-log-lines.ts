// The lines of the access log as strings, made field by field: what the recorder's bytes are compared with.
// Invariant: a line is what weir has always written for an exchange.
import type { DeploymentIdentity } from '../../src/core/deployment-identity.ts';
import { pathOf } from '../../src/core/exchange/request-path.ts';
import { clockTime } from '../../src/core/logger.ts';
import type { Exchange } from '../../src/core/exchange/exchange.ts';

/** A duration in milliseconds with three decimals; null if it never ended. */
const duration = (fromMs: number, toMs: number): string => (toMs === 0 ? 'null' : (toMs - fromMs).toFixed(3));

/** The line as one JSON object. Durations in milliseconds, sizes in bytes of body. */
export function jsonLine(exchange: Exchange, deployment: DeploymentIdentity | undefined): string {
  const e = exchange;
  return (
    `{"time":"${new Date(e.startEpochMs).toISOString()}","level":"info","event":"exchange"` +
    `,"request_id":"${e.id}","protocol":"${e.protocol}","method":${JSON.stringify(e.method)}` +
    `,"path":${JSON.stringify(pathOf(e.target))},"status":${e.status},"cause":"${e.cause}"` +
    `,"duration_ms":${duration(e.startMs, e.endMs)},"queue_ms":${e.waitedMs === 0 ? 0 : e.waitedMs.toFixed(3)}` +
    `,"head_ms":${duration(e.startMs, e.headMs)},"first_byte_ms":${duration(e.startMs, e.firstByteMs)}` +
    `,"request_bytes":${e.requestBytes},"response_bytes":${e.responseBytes},"attempts":${e.attempts}` +
    (deployment ? `,"deployment":"${deployment.id}","environment":"${deployment.environment}"` : '') +
    (e.replica === '' ? '' : `,"replica":"${e.replica}"`) +
    (e.isAsync ? ',"async":true' : '') +
    (e.remoteAddress === '' ? '' : `,"remote":"${e.remoteAddress}"`) +
    (e.clientSubject === '' ? '' : `,"client_subject":${JSON.stringify(e.clientSubject)}`) +
    (e.key === '' ? '' : `,"key":${JSON.stringify(e.key)}`) +
    (e.detail === '' ? '' : `,"detail":${JSON.stringify(e.detail)}`) +
    '}\n'
  );
}

/** The line for a terminal. */
export function accessTextLine(exchange: Exchange, deployment: DeploymentIdentity | undefined): string {
  const e = exchange;
  // JSON quoting, without the quotes: a client's control characters must not reach the terminal.
  const target = JSON.stringify(`${e.method} ${pathOf(e.target)}`).slice(1, -1);
  const where = deployment ? ` ${deployment.id}${e.replica === '' ? '' : `/${e.replica}`}` : '';
  return (
    `${clockTime(new Date(e.startEpochMs))} ${e.status} ${target} ${(e.endMs - e.startMs).toFixed(1)}ms` +
    `${where} ${e.id}${e.cause === 'ok' ? '' : ` ${e.cause}`}${e.detail === '' ? '' : ` (${e.detail})`}\n`
  );
}
