// Asks a gRPC replica whether it is ready, or alive: grpc.health.v1.Health/Check, over a connection of its own.
// Must stay true: it ends within its time limit. A server without that service, which answers UNIMPLEMENTED, speaks gRPC
// and is as well as one can know; one that knows the service and not the name asked for is not ready.
import { connect } from 'node:http2';
import {
  HEALTH_PATH,
  healthName,
  healthRequest,
  healthStatus,
  SERVING,
} from '../../protocol/grpc/health-message.ts';
import { readStatus, statusNames } from '../../protocol/grpc/status.ts';
import { NO_HTTP2 } from '../../protocol/http/tls-errors.ts';
import type { ReplicaUrl } from './options.ts';
import { probeProblem, type Probe, type ProbeResult } from './probe.ts';

/** An answer is a few bytes; more is none. */
const MAX_ANSWER_BYTES = 1024;

/** Where a replica's HTTP/2 is, as Node wants it. */
const authorityOf = ({ protocol, host, port }: ReplicaUrl): string =>
  `${protocol === 'grpcs:' ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Well is who says SERVING of `service`. */
export const grpcProbe =
  (service: string): Probe =>
  ({ url, tls }, timeoutMs) =>
    new Promise<ProbeResult>((resolve) => {
      const session = connect(authorityOf(url), tls);
      const done = (problem: string, isSilent = false, isAnswer = false) => {
        clearTimeout(timer);
        session.destroy();
        resolve({ problem, isSilent, isAnswer });
      };
      const timer = setTimeout(
        () => done(`no answer to the health check within ${timeoutMs} ms`, true),
        timeoutMs,
      );
      session.on('connect', () => {
        if (tls !== undefined && session.alpnProtocol !== 'h2') done(NO_HTTP2);
      });
      session.on('error', (error) => done(probeProblem(error)));
      session.on('close', () => done('the connection closed'));
      const call = session.request({
        ':method': 'POST',
        ':authority': url.authority,
        ':path': HEALTH_PATH,
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'weir-probe',
      });
      let status: unknown;
      let answer = Buffer.alloc(0);
      call.on('response', (headers) => (status = headers['grpc-status'] ?? status));
      call.on('trailers', (headers) => (status = headers['grpc-status'] ?? status));
      call.on('data', (chunk: Buffer) => {
        if (answer.length + chunk.length <= MAX_ANSWER_BYTES) answer = Buffer.concat([answer, chunk]);
      });
      call.on('error', (error) => done(probeProblem(error)));
      call.on('close', () => {
        const said = typeof status === 'string' ? status : undefined;
        done(verdictOf(service, said, answer), false, said !== undefined);
      });
      call.end(healthRequest(service));
    });

function verdictOf(service: string, status: string | undefined, answer: Buffer): string {
  const asked = service === '' ? 'the health check' : `the health check of ${service}`;
  if (status === undefined) return `${asked} was broken off`;
  const name = statusNames[readStatus(status)]!;
  if (name === 'UNIMPLEMENTED') return '';
  if (name !== 'OK') return `${asked} ended with ${name}`;
  const health = healthStatus(answer);
  return health === SERVING ? '' : `${asked} says ${healthName(health)}`;
}
