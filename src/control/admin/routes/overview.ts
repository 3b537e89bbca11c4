// Route of the overview: the state of weir and its replicas, and the figures of the last hour.
// Invariant: the addresses of replicas are in the answer only for keys with the scope admin.
import type { IncomingMessage } from 'node:http';
import { isAdmin } from '../auth.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Overview } from '../overview/overview.ts';
import { acceptsGzip } from '../../../protocol/http/accept-coding.ts';
import type { WithKeys } from './keys.ts';

/** Modules of this route. */
export interface WithOverview extends WithKeys {
  readonly overview: Overview;
}

/** True if the client has the answer with this tag (RFC 9110 13.1.2). */
const hasTag = ({ headers }: IncomingMessage, etag: string): boolean =>
  (headers['if-none-match'] ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);

export const overviewEndpoints: readonly Endpoint<WithOverview>[] = [
  {
    method: 'GET',
    path: '/v1/overview',
    does: 'returns a verdict, the figures of the last hour, replicas, scaling, errors by cause, the async queue and exporters; made at most once a second, `ETag` and 304 in between',
    scope: 'logs:read',
    async handle({ overview, keys }, req, res) {
      const { etag, body, gzipped } = await overview.encoded(isAdmin(keys, req));
      const headers = [
        'ETag',
        etag,
        'Cache-Control',
        'private, no-cache',
        'Vary',
        'Accept-Encoding, Authorization',
      ];
      if (hasTag(req, etag)) {
        res.writeHead(304, headers);
        res.end();
        return;
      }
      const isPacked = acceptsGzip(req.headers['accept-encoding']);
      const sent = isPacked ? gzipped : body;
      res.writeHead(200, [
        ...headers,
        'Content-Type',
        'application/json',
        'Content-Length',
        String(Buffer.byteLength(sent)),
        ...(isPacked ? ['Content-Encoding', 'gzip'] : []),
      ]);
      res.end(sent);
    },
  },
];
