// Opens HTTP/2 connections of node:http2 to gRPC replicas.
import type { ClientHttp2Session, ClientSessionOptions } from 'node:http2';
import { connect } from 'node:net';
import { formatAddress } from '../../core/address.ts';
import { nodeHttp2 } from '../../protocol/http/node-http2.ts';
import type { ReplicaTls } from './replica-tls.ts';
import type { ReplicaUrl } from './replica-url.ts';

/** Connects to a replica. `tls`: `undefined` means clear text. Errors come as events of the session. */
export function connectWithNode(
  { host, port, path }: ReplicaUrl,
  tls: ReplicaTls | undefined,
  options: ClientSessionOptions,
): ClientHttp2Session {
  if (path !== undefined)
    return nodeHttp2().connect('http://localhost', { ...options, createConnection: () => connect({ path }) });
  return nodeHttp2().connect(`${tls === undefined ? 'http' : 'https'}://${formatAddress({ host, port })}`, {
    ...options,
    ...tls,
  });
}
