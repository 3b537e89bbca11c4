// The access log: one line for every exchange that has ended. Hot path: builds no object per request.
// Invariant: a line is valid JSON whatever the client sent, and has no header, no body, and no query, since that may
// carry secrets.
import type { DeploymentIdentity } from '../deployment-identity.ts';
import { clockTime, type LineSink } from '../logger.ts';
import type { Exchange, Observer } from './exchange.ts';

/** A duration in milliseconds with three decimals; null if it never ended. */
const duration = (fromMs: number, toMs: number): string => (toMs === 0 ? 'null' : (toMs - fromMs).toFixed(3));

/** The path of a request target. The query is not logged, since it may contain secrets. */
export const pathOf = (target: string): string => {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
};

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

/** An observer that writes a line for every exchange. `deployment`: returns that with an index. */
export function accessLog(
  sink: LineSink,
  isText: boolean,
  deployment: (index: number) => DeploymentIdentity | undefined,
): Observer {
  const line = isText ? accessTextLine : jsonLine;
  return { closed: (exchange) => sink.write(line(exchange, deployment(exchange.recordedAs))) };
}
