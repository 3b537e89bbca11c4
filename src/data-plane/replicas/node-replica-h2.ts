// Opens HTTP/2 connections of node:http2 to gRPC replicas.
import { connect as connectH2, type ClientHttp2Session, type ClientSessionOptions } from 'node:http2';
import { connect } from 'node:net';
import { formatAddress } from '../../core/address.ts';
import type { ReplicaTls } from './replica-tls.ts';
import type { ReplicaUrl } from './replica-url.ts';

/** Connects to a replica. `tls`: `undefined` means clear text. Errors come as events of the session. */
export function connectWithNode(
  { host, port, path }: ReplicaUrl,
  tls: ReplicaTls | undefined,
  options: ClientSessionOptions,
): ClientHttp2Session {
  if (path !== undefined)
    return connectH2('http://localhost', { ...options, createConnection: () => connect({ path }) });
  return connectH2(`${tls === undefined ? 'http' : 'https'}://${formatAddress({ host, port })}`, {
    ...options,
    ...tls,
  });
}
