// Probes of a replica by TCP, TLS or HTTP/2 connection and by HTTP.
// Invariant: a probe ends within its time limit, and its result distinguishes a failure from silence, since a silent
// replica may only be busy.
import { connect } from 'node:net';
import { describe } from '../../core/errors.ts';
import { formatAddress } from '../../core/address.ts';
import { nodeTls } from '../../core/node-tls.ts';
import { requestOnce } from '../../protocol/http/one-shot.ts';
import { tlsProblem } from '../../protocol/http/tls-errors.ts';
import { agentFor, OwnConnection } from './own-connection.ts';
import type { ReplicaTls } from './replica-tls.ts';
import { targetOf, type ReplicaUrl } from './replica-url.ts';

export interface ProbeResult {
  /** Why the probe failed; empty if it succeeded. */
  readonly problem: string;
  /** True if there was no response within the time limit. */
  readonly isSilent: boolean;
  /** What a probe that succeeded got; missing: a connection. */
  readonly got?: string;
  /** True if there was a response, with any status. */
  readonly hasResponse?: boolean;
}

/** The part of a replica that a probe needs. */
export interface ProbeTarget {
  readonly url: ReplicaUrl;
  readonly tls: ReplicaTls | undefined;
}

export type Probe = (replica: ProbeTarget, timeoutMs: number) => Promise<ProbeResult>;

const CONNECTION_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'no such socket',
  EACCES: 'permission denied',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
};

/** Fields of a failed connection's error: the address, if there is only one. */
interface ConnectionError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
}

/** Describes the error of a connection: `connection refused (127.0.0.1:8000)`. */
export function probeProblem(reported: ConnectionError): string {
  // The error of an HTTP/2 stream whose connection could not be made.
  const isOfStream = reported.code === 'ERR_HTTP2_STREAM_CANCEL' && reported.cause instanceof Error;
  const error = isOfStream ? (reported.cause as ConnectionError) : reported;
  const tls = tlsProblem(error);
  if (tls !== undefined) return tls;
  const text = CONNECTION_ERRORS[error.code ?? ''];
  if (text === undefined) return describe(error);
  const { address: host, port } = error;
  if (host === undefined) return text;
  return `${text} (${port === undefined ? host : formatAddress({ host, port })})`;
}

/** Succeeds if the replica accepts a connection, over TLS with a trusted certificate. Works with any server. */
export const connectionProbe: Probe = ({ url, tls }, timeoutMs) =>
  new Promise((resolve) => {
    const target = targetOf(url);
    const socket = tls === undefined ? connect(target) : nodeTls().connect({ ...target, ...tls });
    const done = (problem: string, isSilent = false) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ problem, isSilent });
    };
    const timer = setTimeout(() => done(`no connection within ${timeoutMs} ms`, true), timeoutMs);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => done(''));
    socket.once('error', (error) => done(probeProblem(error)));
  });

/** Succeeds if the replica accepts a connection and speaks HTTP/2 on it. */
export const http2Probe: Probe = (target, timeoutMs) =>
  new Promise((resolve) => {
    const done = (problem: string, isSilent = false) => {
      clearTimeout(timer);
      resolve({ problem, isSilent });
      connection.close();
    };
    const timer = setTimeout(() => done(`no HTTP/2 connection within ${timeoutMs} ms`, true), timeoutMs);
    const connection = new OwnConnection(target);
    connection.take({
      connected: () => done(''),
      unreachable: (error) => done(probeProblem(error)),
    });
  });

/** Succeeds if a GET of `path` returns 2xx. */
export const httpProbe =
  (path: string): Probe =>
  async (target, timeoutMs) => {
    const { host, port, path: socketPath, authority } = target.url;
    const agent = agentFor(target);
    const result = await requestOnce({
      method: 'GET',
      host,
      port,
      socketPath,
      path,
      headers: { host: authority, 'user-agent': 'weir-probe' },
      ...(agent === undefined ? { tls: target.tls } : { agent }),
      timeoutMs,
      maxBodyBytes: 0,
      wantsBody: () => false,
    });
    if ('status' in result) {
      const { status } = result;
      const got = `GET ${path} returned ${status}`;
      const problem = status >= 200 && status < 300 ? '' : got;
      return { problem, isSilent: false, got, hasResponse: true };
    }
    const { kind, problem, error } = result;
    if (kind === 'timeout')
      return { problem: `no response to GET ${path} within ${timeoutMs} ms`, isSilent: true };
    return { problem: error === undefined ? problem : probeProblem(error), isSilent: false };
  };
