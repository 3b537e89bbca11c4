// Probe of a gRPC replica: grpc.health.v1.Health/Check over a connection of its own.
// Invariant: a probe ends within its time limit.
// A server without the health service returns UNIMPLEMENTED, which counts as success, since nothing more can be known.
// A server that does not know the requested service name fails the probe.
import {
  HEALTH_PATH,
  healthStatusName,
  healthRequestMessage,
  readHealthStatus,
  SERVING,
} from '../../protocol/grpc/health-message.ts';
import { readStatus, statusNames } from '../../protocol/grpc/status.ts';
import { NO_HTTP2 } from '../../protocol/http/tls-errors.ts';
import { probeProblem, type Probe, type ProbeResult } from './probe.ts';
import { connectWithNode } from './node-replica-h2.ts';

/** A longer response is invalid: its messages have a few bytes. */
const MAX_RESPONSE_BYTES = 1024;

/** Succeeds if the status of `service` is SERVING. An empty `service` means the whole server. */
export const grpcProbe =
  (service: string): Probe =>
  ({ url, tls }, timeoutMs) =>
    new Promise<ProbeResult>((resolve) => {
      const session = connectWithNode(url, tls, {});
      const done = (problem: string, isSilent = false, hasResponse = false) => {
        clearTimeout(timer);
        session.destroy();
        resolve({ problem, isSilent, got: 'health check passed', hasResponse });
      };
      const timer = setTimeout(
        () => done(`no response to the health check within ${timeoutMs} ms`, true),
        timeoutMs,
      );
      session.on('connect', () => {
        if (tls !== undefined && session.alpnProtocol !== 'h2') done(NO_HTTP2);
      });
      session.on('error', (error) => done(probeProblem(error)));
      session.on('close', () => done('connection closed before the health check ended'));
      const call = session.request({
        ':method': 'POST',
        ':authority': url.authority,
        ':path': HEALTH_PATH,
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'weir-probe',
      });
      let status: unknown;
      let response = Buffer.alloc(0);
      call.on('response', (headers) => (status = headers['grpc-status'] ?? status));
      call.on('trailers', (headers) => (status = headers['grpc-status'] ?? status));
      call.on('data', (chunk: Buffer) => {
        if (response.length + chunk.length <= MAX_RESPONSE_BYTES) response = Buffer.concat([response, chunk]);
      });
      call.on('error', (error) => done(probeProblem(error)));
      call.on('close', () => {
        const received = typeof status === 'string' ? status : undefined;
        done(problemOf(service, received, response), false, received !== undefined);
      });
      call.end(healthRequestMessage(service));
    });

/** Why a health check failed; empty if it succeeded. */
function problemOf(service: string, status: string | undefined, response: Buffer): string {
  const check = service === '' ? 'health check' : `health check of ${service}`;
  if (status === undefined) return `${check} ended without a status`;
  const name = statusNames[readStatus(status)]!;
  if (name === 'UNIMPLEMENTED') return '';
  if (name !== 'OK') return `${check} failed with ${name}`;
  const health = readHealthStatus(response);
  return health === SERVING ? '' : `${check} returned ${healthStatusName(health)}`;
}
