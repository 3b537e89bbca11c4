// Debug log of requests (log.level debug): one line for each step of a request, as it happens, with its request_id.
// Invariant: a line has no header, no query and no body.
import type { Logger } from '../logger.ts';
import type { DeploymentIdentity } from '../deployment-identity.ts';
import { pathOf } from './request-path.ts';
import type { Observer } from './exchange.ts';
import type { StepListener } from './step-listener.ts';

/** Milliseconds with three decimals. */
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Makes the listener. `deployment`: the deployment of an index. */
export const stepLog = (
  log: Logger,
  deployment: (index: number) => DeploymentIdentity | undefined,
): StepListener & Observer => ({
  accepted({ id, method, target, remoteAddress, isHttp2 }, by) {
    const remote = remoteAddress === '' ? undefined : remoteAddress;
    log.debug('request accepted', {
      request_id: id,
      by,
      method,
      path: pathOf(target),
      remote,
      http_version: isHttp2 ? '2' : undefined,
    });
  },
  routed(exchange) {
    const to = deployment(exchange.deployment);
    const environment = to?.environment;
    log.debug('request routed', { request_id: exchange.id, deployment: to?.id, environment });
  },
  queued({ id }) {
    log.debug('request queued', { request_id: id });
  },
  leased({ id, replica, waitedMs }) {
    log.debug('replica leased', { request_id: id, replica, waited_ms: rounded(waitedMs) });
  },
  sent({ id, replica, attempts }) {
    log.debug('attempt sent', { request_id: id, replica, attempt: attempts });
  },
  retrying({ id, replica, retryReason }, delayMs) {
    const fields = { request_id: id, replica, reason: retryReason, delay_ms: rounded(delayMs) };
    log.debug('attempt failed; retrying', fields);
  },
  responded({ id, replica }, status) {
    log.debug('response head received', { request_id: id, replica, status });
  },
  closed(exchange) {
    const { id, protocol, cause, status, detail, requestBytes, responseBytes, startMs, endMs } = exchange;
    log.debug('request closed', {
      request_id: id,
      protocol,
      cause,
      status,
      request_bytes: requestBytes,
      response_bytes: responseBytes,
      duration_ms: rounded(endMs - startMs),
      detail: detail === '' ? undefined : detail,
    });
  },
});
