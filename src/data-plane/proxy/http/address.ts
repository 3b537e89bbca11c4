// Makes a request that http-proxy has begun ours: its path and its headers, before a byte of it is sent.
// Must stay true: nothing of what http-proxy set is left.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { headersToReplica, type Hop } from '../../../protocol/http/forwarded-headers.ts';

/** Sets path and headers for a replica. `hasTrailers`: the body is chunked, and trailers may follow. */
export function address(
  to: ClientRequest,
  path: string,
  from: IncomingMessage,
  hop: Hop,
  hasTrailers: boolean,
): void {
  to.path = path;
  for (const name of to.getHeaderNames()) to.removeHeader(name);
  for (const [name, values] of headersToReplica(from.rawHeaders, hop, from.headers.connection, hasTrailers))
    to.setHeader(name, values.length === 1 ? values[0]! : values);
}
